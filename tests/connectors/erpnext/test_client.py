"""Every answer that ERPNext was recorded to give means what is to be done next, whatever its status."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.erpnext.client import AlreadyThere, ChangedMeanwhile, Declined, ErpNext, Missing, budget
from hub.connector import Answer, Budget
from hub.errors import Category, Contended, HubError, Temporary, Unavailable

RECORDINGS = Path(__file__).parents[2] / "recordings" / "erpnext"

MEANINGS: dict[str, type[HubError]] = {
    "003_auth_bad_token_unknown_key": Unavailable,
    "012_permission_denied_create": Declined,
    "032_duplicate_entry_409_item_group": AlreadyThere,
    "035_missing_mandatory_customer": Declined,
    "036_missing_mandatory_item": Declined,
    "037_link_validation_error": Declined,
    "039_data_too_long": Declined,
    "041_unknown_doctype": Declined,
    "042_malformed_json": Declined,
    "043_html_sanitised": Declined,
    "045_get_missing_404": Missing,
    "051_put_stale_modified": ChangedMeanwhile,
    "078_update_after_submit_error": Declined,
    "082_delete_linked_link_exists": Declined,
    "084_sales_order_same_po_no": Declined,
    "086_so_no_items": Declined,
    "109_invoice_no_fiscal_year": Declined,
    "112_negative_stock_error": Declined,
    "164_unique_violation_custom_field": AlreadyThere,
    "171_concurrent_same_external_id_client1": AlreadyThere,
    "186_lock_wait_timeout": Contended,
    "189_deadlock_stock_entry": Contended,
    "250_rate_limit_decorator_429": Temporary,
    "252_rate_limit_429_json": Unavailable,
    "254_rate_limit_429_text": Unavailable,
    "256_maintenance_mode_503": Unavailable,
    "258_maintenance_write_503": Unavailable,
    "259_mandatory_error_no_traceback": Declined,
    "260_unique_error_no_traceback": AlreadyThere,
    "265_disabled_user_token": Unavailable,
    "271_long_get_url": Unavailable,
}


class ScriptedHttp:
    """Answers with what it is given, in order, and keeps what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Mapping[str, str] | None, Any]] = []
        self.renewed = 0

    def send(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        self.asked.append((method, path, query, json.loads(body) if body else None))
        return self.answers.pop(0)

    def renew_credentials(self) -> None:
        self.renewed += 1


def answer(status: int, body: Any) -> Answer:
    return Answer(status, {}, json.dumps(body).encode())


def recorded(name: str) -> Answer:
    response = json.loads((RECORDINGS / f"{name}.json").read_text())["response"]
    headers = {key.lower(): value for key, value in response["headers"]}
    return Answer(response["status"], headers, response["body"].encode())


@pytest.mark.parametrize("name", MEANINGS)
def test_a_recorded_answer_means_what_is_to_be_done_next(name: str) -> None:
    http = ScriptedHttp(recorded(name), recorded(name))

    with pytest.raises(HubError) as caught:
        ErpNext(http).update("Customer", "X", {})

    assert type(caught.value) is MEANINGS[name]


def test_the_site_wide_limiter_says_how_long_to_wait() -> None:
    with pytest.raises(Unavailable) as caught:
        ErpNext(ScriptedHttp(recorded("252_rate_limit_429_json"))).get("Customer", "X")

    assert (caught.value.retry_after_seconds, caught.value.category) == (29.0, Category.RATE_LIMIT_EXCEEDED)


def test_a_404_to_a_create_is_a_race_inside_erpnext_and_passes() -> None:
    http = ScriptedHttp(answer(404, {"exc_type": "DoesNotExistError"}))

    with pytest.raises(Temporary, match="creating a Sales Order"):
        ErpNext(http).insert("Sales Order", {})


def test_erpnexts_words_are_told_without_markup_and_traceback() -> None:
    with pytest.raises(Declined) as caught:
        ErpNext(ScriptedHttp(recorded("078_update_after_submit_error"))).update("Sales Order", "X", {})

    told = "UpdateAfterSubmitError: Not allowed to change Customer after submission from Cust 001 to Cust 002"
    assert (str(caught.value), caught.value.code) == (told, "UpdateAfterSubmitError")


def test_a_refused_key_is_read_anew_and_tried_once_more() -> None:
    http = ScriptedHttp(recorded("003_auth_bad_token_unknown_key"), answer(200, {"data": {"name": "X"}}))

    document = ErpNext(http).get("Customer", "X")

    assert (document, http.renewed) == ({"name": "X"}, 1)


def test_a_new_database_error_is_taken_for_passing() -> None:
    with pytest.raises(Temporary) as caught:
        ErpNext(ScriptedHttp(answer(500, {"exc_type": "OperationalError"}))).get("Customer", "X")

    assert type(caught.value) is Temporary


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", b"[]", b'"text"', b"\xff"])
def test_an_answer_that_is_no_json_object_is_not_erpnexts(body: bytes) -> None:
    with pytest.raises(Unavailable, match="without JSON"):
        ErpNext(ScriptedHttp(Answer(200, {}, body))).get("Customer", "X")


def test_a_short_filter_goes_into_the_query_and_a_long_one_into_a_body() -> None:
    http = ScriptedHttp(answer(200, {"data": []}), answer(200, {"message": []}))
    erp = ErpNext(http)

    erp.find("Item", [["name", "in", ["A"]]], ["name"])
    erp.find("Item", [["name", "in", [f"SKU {n:05}" for n in range(400)]]], ["name"])

    assert [(method, path) for method, path, _, _ in http.asked] == [
        ("GET", "/api/resource/Item"),
        ("POST", "/api/method/frappe.client.get_list"),
    ]


def test_a_name_with_any_character_is_one_path_segment() -> None:
    http = ScriptedHttp(answer(200, {"data": {}}))

    ErpNext(http).get("Sales Order", "A/B?c#d é")

    assert http.asked[0][1] == "/api/resource/Sales%20Order/A%2FB%3Fc%23d%20%C3%A9"


def test_amounts_go_out_as_json_numbers_and_come_back_as_decimal() -> None:
    http = ScriptedHttp(answer(200, {"data": {"rate": 25.5}}))

    document = ErpNext(http).insert("Sales Order", {"rate": Decimal("25.50")})

    assert (http.asked[0][3], document) == ({"rate": 25.5}, {"rate": Decimal("25.5")})


def test_deleting_what_is_gone_counts_as_deleted() -> None:
    http = ScriptedHttp(recorded("063_delete_again"))

    ErpNext(http).delete("Customer", "X")

    assert http.asked[0][0] == "DELETE"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("251_rate_limit_headers_under_limit", Budget(work_seconds=0.5, reset_seconds=30)),
        ("252_rate_limit_429_json", Budget(work_seconds=0, reset_seconds=29)),
        ("255_rate_limit_429_before_auth", Budget(work_seconds=0, reset_seconds=29)),
        ("189_deadlock_stock_entry", None),
        ("250_rate_limit_decorator_429", None),
    ],
)
def test_an_answer_says_how_long_the_site_will_still_work(name: str, said: Budget | None) -> None:
    assert budget(recorded(name)) == said


@given(st.text(max_size=8), st.text(max_size=8))
def test_no_header_breaks_the_reading_of_the_budget(remaining: str, reset: str) -> None:
    said = budget(Answer(200, {"x-ratelimit-remaining": remaining, "x-ratelimit-reset": reset}, b""))

    assert said is None or (said.work_seconds >= 0 and said.reset_seconds >= 1)
