"""Customers of the same name, as recording 031 shows the first repetition and ERPNext's get_customer_name counts on."""

import httpx

from infra.local.erpnext.server import ErpNextStandIn


def test_each_customer_of_the_same_name_gets_the_next_number() -> None:
    with ErpNextStandIn() as erp:
        headers = {"Authorization": f"token {erp.token}", "Accept": "application/json"}
        body = {"customer_name": "Ada Lovelace", "customer_group": "Commercial", "territory": "United States"}
        made = [httpx.post(f"{erp.url}/api/resource/Customer", json=body, headers=headers) for _ in range(4)]

    assert [each.json()["data"]["name"] for each in made] == [
        "Ada Lovelace",
        "Ada Lovelace - 1",
        "Ada Lovelace - 2",
        "Ada Lovelace - 3",
    ]
