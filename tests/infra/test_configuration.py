"""A mistake in a configuration is told with its line, its path and its remedy, and all mistakes are told at once."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from connectors import connector_names, manifest_path
from connectors.erpnext.settings import FlowSettings
from hub.manifest import read_manifest
from infra.configuration import CONFIG, SCHEMA, load, load_stage, schema
from infra.mistakes import ConfigurationError
from infra.ownership import divided

TOPICS = [topic.name for topic in read_manifest(manifest_path("shopify")).topic]
GOOD = """\
stage: staging
integrations:
  shop:
    connector: shopify
    account: shop.myshopify.com
  erp:
    connector: erpnext
    url: https://erp.example.com
flows:
  shop-to-erp:
    source: shop
    destination: erp
    settings:
      company: Example Inc
      time_zone: Europe/Berlin
      customer_group: Commercial
      territory: Germany
      warehouse: Stores - EI
      tax_account: VAT - EI
      shipping_account: Freight - EI
"""
FLOW_SETTINGS = ", ".join(FlowSettings.model_fields)
ACTIONS = ", ".join(action.name for action in read_manifest(manifest_path("erpnext")).action)


def mistakes(folder: Path, text: str) -> list[str]:
    """What is told of a configuration, without the folder."""
    file = folder / "staging.yaml"
    file.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as refusal:
        load(file)
    assert str(refusal.value) == "\n".join(refusal.value.mistakes)
    return [line.removeprefix(f"{folder}/") for line in refusal.value.mistakes]


CASES = {
    "unknown setting": (
        "    source: shop\n",
        "    source: shop\n    max_concurency: 4\n",
        "staging.yaml:12: flows.shop-to-erp.max_concurency: is not a setting; did you mean max_concurrency?",
    ),
    "streams of nowhere": (
        "    account: shop.myshopify.com\n",
        "    account: shop.myshopify.com\n    streams: {orders: {}}\n",
        (
            "staging.yaml:3: integrations.shop.url: is missing, and streams are read from there; add the address of this "
            "Shopify: url: https://…"
        ),
    ),
    "unknown setting, unlike any": (
        "stage: staging\n",
        "stage: staging\nzzz: 1\n",
        (
            "staging.yaml:2: zzz: is not a setting; remove it; settings here: stage, region, integrations, flows, alarms, "
            "ledger_days, log_level, webhook_requests_per_second, webhook_burst, webhook_reserved_concurrency, access_log, "
            "integration_dashboards"
        ),
    ),
    "missing setting": (
        "    destination: erp\n",
        "",
        (
            "staging.yaml:10: flows.shop-to-erp.destination: is missing; add it: The integration that documents are "
            "written to."
        ),
    ),
    "number out of range": (
        "    source: shop\n",
        "    source: shop\n    batch_size: 11\n",
        (
            "staging.yaml:12: flows.shop-to-erp.batch_size: 11: input should be less than or equal to 10; Events per "
            "invocation (FIFO queues: 10 at most)."
        ),
    ),
    "text for a number": (
        "    source: shop\n",
        "    source: shop\n    retry:\n      cap_seconds: soon\n",
        (
            "staging.yaml:13: flows.shop-to-erp.retry.cap_seconds: 'soon': input should be a valid number, unable to parse "
            "string as a number; No wait is longer (SQS allows 12 hours)."
        ),
    ),
    "not one of the choices": (
        "stage: staging\n",
        "stage: staging\nlog_level: LOUD\n",
        "staging.yaml:2: log_level: 'LOUD': input should be 'DEBUG', 'INFO' or 'WARNING'; see config/example.yaml",
    ),
    "scalar where settings belong": (
        "    connector: erpnext\n    url: https://erp.example.com\n",
        "    erpnext\n",
        "staging.yaml:6: integrations.erp: is not a set of settings; write `name: value` lines below it, indented",
    ),
    "waits that are too short for the patience": (
        "    source: shop\n",
        "    source: shop\n    retry:\n      cap_seconds: 60\n",
        (
            "staging.yaml:12: flows.shop-to-erp.retry: waits so short use up the 1000 receives that SQS counts to before "
            "give_up_after_hours have passed; raise cap_seconds or lower give_up_after_hours"
        ),
    ),
    "name that is none": (
        "  shop-to-erp:\n",
        "  Shop_to_ERP:\n",
        (
            "staging.yaml:10: flows.Shop_to_ERP: is not a name; names are 2 to 30 small letters, digits and hyphens, a "
            "letter first, no hyphen last"
        ),
    ),
    "category that is none": (
        "    connector: shopify\n",
        "    connector: shopify\n    dead_letters:\n      categories:\n        DATA_FAILED: []\n",
        (
            "staging.yaml:7: integrations.shop.dead_letters.categories.DATA_FAILED: is none; use one of: "
            "AUTHENTICATION_FAILED, RATE_LIMIT_EXCEEDED, INVALID_REQUEST, SERVER_ERROR, TIMEOUT, DATA_VALIDATION_FAILED or "
            "SYNC_FAILED"
        ),
    ),
    "stage that is no name": (
        "stage: staging\n",
        "stage: Staging-1\n",
        (
            "staging.yaml:1: stage: 'Staging-1': string should match pattern '^[a-z][a-z0-9]{1,15}$'; The name of this "
            "deployment: local, staging, production."
        ),
    ),
    "key stated twice": (
        "  erp:\n",
        "  shop:\n",
        "staging.yaml:6: integrations.shop: is stated twice, first on line 3; keep one of them",
    ),
    "not YAML": (
        "    source: shop\n",
        "    source: [shop\n",
        "staging.yaml:12: not valid YAML: expected ',' or ']', but got ':'; mend it at this line or the one before",
    ),
    "tab": (
        "    source: shop\n",
        "\tsource: shop\n",
        (
            "staging.yaml:11: not valid YAML: found character '\\t' that cannot start any token; mend it at this line or "
            "the one before"
        ),
    ),
    "Python object": (
        "stage: staging\n",
        "stage: !!python/object/apply:os.getcwd []\n",
        (
            "staging.yaml:1: not valid YAML: could not determine a constructor for the tag "
            "'tag:yaml.org,2002:python/object/apply:os.getcwd'; mend it at this line or the one before"
        ),
    ),
    "contains itself": (
        "    settings:\n",
        "    settings: &here\n      more: *here\n",
        "staging.yaml:13: flows.shop-to-erp.settings.more: contains itself; write the value out",
    ),
    "unknown connector": (
        "    connector: shopify\n",
        "    connector: shopfy\n",
        (
            "staging.yaml:4: integrations.shop.connector: there is no connector 'shopfy'; use one of: "
            f"{', '.join(connector_names())}"
        ),
    ),
    "unknown integration": (
        "    source: shop\n",
        "    source: shop-eu\n",
        "staging.yaml:11: flows.shop-to-erp.source: there is no integration 'shop-eu'; use one of: erp, shop",
    ),
    "both ends the same": (
        "    destination: erp\n",
        "    destination: shop\n",
        "staging.yaml:12: flows.shop-to-erp.destination: source and destination are both 'shop'; name two integrations",
    ),
    "no url": (
        "    url: https://erp.example.com\n",
        "",
        "staging.yaml:6: integrations.erp.url: is missing; add the address of this ERPNext: url: https://…",
    ),
    "plain http": (
        "https://erp.example.com",
        "http://erp.example.com",
        (
            "staging.yaml:8: integrations.erp.url: 'http://erp.example.com' would send keys and orders unencrypted; write "
            "https://erp.example.com"
        ),
    ),
    "address of this machine on AWS": (
        "https://erp.example.com",
        "http://127.0.0.1:8410",
        (
            "staging.yaml:8: integrations.erp.url: 127.0.0.1 on AWS is the function itself; write the system's own address: "
            "https://host"
        ),
    ),
    "no web address": (
        "https://erp.example.com",
        "erp.example.com",
        "staging.yaml:8: integrations.erp.url: 'erp.example.com' is not a web address; write https://host",
    ),
    "broken port": (
        "https://erp.example.com",
        "https://erp.example.com:port",
        (
            "staging.yaml:8: integrations.erp.url: is not a URL (Port could not be cast to integer value as 'port'); write "
            "https://host, with a port where it is not 443"
        ),
    ),
    "secret in the url": (
        "https://erp.example.com",
        "https://key:hunter2@erp.example.com",
        (
            "staging.yaml:8: integrations.erp.url: holds a user name or password; remove it; secrets are stored with "
            "`hub secrets set`"
        ),
    ),
    "something about the sender of what sends nothing": (
        "    url: https://erp.example.com\n",
        "    url: https://erp.example.com\n    account: example\n",
        "staging.yaml:9: integrations.erp.account: ERPNext sends nothing that this could be about; remove it",
    ),
    "public URL that is not encrypted": (
        "    connector: shopify\n",
        "    connector: shopify\n    public_url: http://hooks.example.com/webhooks/shop\n",
        (
            "staging.yaml:5: integrations.shop.public_url: 'http://hooks.example.com/webhooks/shop' would send keys and orders "
            "unencrypted; write https://hooks.example.com"
        ),
    ),
    "tolerance where no time is signed": (
        "    connector: shopify\n",
        "    connector: shopify\n    tolerance_seconds: 60\n",
        "staging.yaml:5: integrations.shop.tolerance_seconds: Shopify signs no time, so a delivery has no age; remove it",
    ),
    "expectation that the connector does not have": (
        "    connector: shopify\n",
        "    connector: shopify\n    expects:\n      tenant: example\n",
        (
            "staging.yaml:6: integrations.shop.expects.tenant: Shopify holds deliveries against nothing of this name; "
            "remove it"
        ),
    ),
    "published addresses of one who publishes none": (
        "    connector: shopify\n",
        "    connector: shopify\n    allowed_addresses:\n      - 203.0.113.0/24\n      - published\n",
        (
            "staging.yaml:7: integrations.shop.allowed_addresses.1: Shopify publishes no addresses that it sends from; "
            "list CIDRs, or remove it"
        ),
    ),
    "address within a network": (
        "    connector: shopify\n",
        "    connector: shopify\n    allowed_addresses: [203.0.113.7/24]\n",
        "staging.yaml:5: integrations.shop.allowed_addresses.0: '203.0.113.7/24' is not a network; write 203.0.113.0/24",
    ),
    "address that is none": (
        "    connector: shopify\n",
        "    connector: shopify\n    allowed_addresses: [everybody]\n",
        (
            "staging.yaml:5: integrations.shop.allowed_addresses.0: 'everybody' is not a network; write a CIDR such as "
            "203.0.113.0/24, or published for the addresses that the provider publishes"
        ),
    ),
    "token header that is none": (
        "    connector: shopify\n",
        '    connector: shopify\n    token_header: "X Token"\n',
        (
            "staging.yaml:5: integrations.shop.token_header: 'X Token' is not the name of a header; write letters, digits "
            "and hyphens: X-Token"
        ),
    ),
    "topic that is none": (
        "    source: shop\n",
        "    source: shop\n    actions:\n      orders/created: ignore\n",
        (
            "staging.yaml:13: flows.shop-to-erp.actions.orders/created: Shopify has no topic 'orders/created'; use one of: "
            f"{', '.join(TOPICS)}, orders, customers, products, inventory"
        ),
    ),
    "action that is none": (
        "    source: shop\n",
        "    source: shop\n    actions:\n      orders/create: delete_order\n",
        (
            "staging.yaml:13: flows.shop-to-erp.actions.orders/create: ERPNext has no action 'delete_order'; use one of: "
            f"{ACTIONS}, ignore"
        ),
    ),
    "action for another kind of record": (
        "    source: shop\n",
        "    source: shop\n    actions:\n      orders/create: upsert_customer\n",
        (
            "staging.yaml:13: flows.shop-to-erp.actions.orders/create: orders/create brings 'order' and upsert_customer takes "
            "'customer'; use one of: upsert_sales_order, ignore"
        ),
    ),
    "setting of the destination that is missing": (
        "      company: Example Inc\n",
        "",
        (
            "staging.yaml:13: flows.shop-to-erp.settings.company: is missing; add it: The Company that the documents "
            "belong to."
        ),
    ),
    "setting of the destination that is none": (
        "      company: Example Inc\n",
        "      company: Example Inc\n      xyzzy: 1\n",
        f"staging.yaml:15: flows.shop-to-erp.settings.xyzzy: is not a setting; remove it; settings here: {FLOW_SETTINGS}",
    ),
    "time zone that is none": (
        "Europe/Berlin",
        "Europe/Bonn",
        (
            "staging.yaml:15: flows.shop-to-erp.settings.time_zone: 'Europe/Bonn' is not an IANA time zone "
            "such as Europe/Berlin; The site's time zone (System Settings → Time Zone); documents bear local dates."
        ),
    ),
    "documents of drafts": (
        "      company: Example Inc\n",
        "      company: Example Inc\n      submit: false\n      on_fulfilment: [delivery_note]\n",
        (
            "staging.yaml:13: flows.shop-to-erp.settings: delivery_note can only be written from submitted Sales Orders; "
            "set submit: true, or leave on_payment, on_fulfilment and on_refund out; see config/example.yaml"
        ),
    ),
    "payments that arrive nowhere": (
        "      company: Example Inc\n",
        "      company: Example Inc\n      on_payment: [sales_invoice, payment_entry]\n",
        (
            "staging.yaml:13: flows.shop-to-erp.settings: a payment_entry needs to know where money arrives; set "
            "paid_to_account, or modes_of_payment with a default; see config/example.yaml"
        ),
    ),
    "credit notes without invoices": (
        "      company: Example Inc\n",
        "      company: Example Inc\n      on_refund: [credit_note]\n",
        (
            "staging.yaml:13: flows.shop-to-erp.settings: a credit_note takes back an invoice; add sales_invoice to "
            "on_payment; see config/example.yaml"
        ),
    ),
    "returns without deliveries": (
        "      company: Example Inc\n",
        "      company: Example Inc\n      on_refund: [return]\n",
        (
            "staging.yaml:13: flows.shop-to-erp.settings: a return takes back a delivery; add delivery_note to "
            "on_fulfilment; see config/example.yaml"
        ),
    ),
    "flow named like another's dead letter queue": (
        "  shop-to-erp:\n",
        "  shop-dead:\n",
        (
            "staging.yaml:10: flows.shop-dead: its queue would bear the name of the dead letter queue of a flow 'shop'; "
            "give it a name that does not end with -dead"
        ),
    ),
    "names that differ by hyphens": (
        "flows:\n",
        "  sh-op:\n    connector: shopify\nflows:\n",
        "staging.yaml:9: integrations.sh-op: differs from 'shop' by hyphens only; give it another name",
    ),
}


DATABASE = """\
  db:
    connector: postgresql
    url: postgresql://db.example.com:5432/shop?sslmode=verify-full
    streams:
      orders:
        settings:
          table: sales.orders
          cursor: updated_at
flows:
"""
DATABASES: dict[str, tuple[str, str, str]] = {
    "web address of a database": (
        "postgresql://db.example.com:5432/shop?sslmode=verify-full",
        "https://db.example.com/",
        (
            "staging.yaml:11: integrations.db.url: 'https://db.example.com/' is not an address that begins with "
            "postgresql://; write postgresql://host:port/name"
        ),
    ),
    "password in the url of a database": (
        "db.example.com:5432",
        "hub:hunter2@db.example.com:5432",
        (
            "staging.yaml:11: integrations.db.url: holds a user name or password; remove it; secrets are stored with "
            "`hub secrets set`"
        ),
    ),
    "database without encryption": (
        "verify-full",
        "disable",
        (
            "staging.yaml:11: integrations.db.url: 'postgresql://db.example.com:5432/shop?sslmode=disable' would send keys "
            "and orders unencrypted; remove ?sslmode=disable"
        ),
    ),
    "another question to a database": (
        "sslmode=verify-full",
        "host=elsewhere",
        (
            "staging.yaml:11: integrations.db.url: has a part after ? or #; only ?sslmode= and one of require, verify-ca, "
            "verify-full, disable: postgresql://host:port/name"
        ),
    ),
    "setting of a stream that is none": (
        "          cursor: updated_at\n",
        "          cursr: updated_at\n",
        "staging.yaml:16: integrations.db.streams.orders.settings.cursr: is not a setting; did you mean cursor?",
    ),
}


@pytest.mark.parametrize(("before", "after", "told"), DATABASES.values(), ids=DATABASES.keys())
def test_a_mistake_about_a_database_is_told_as_well(tmp_path: Path, before: str, after: str, told: str) -> None:
    good = GOOD.replace("flows:\n", DATABASE)
    assert good.count(before) == 1

    (tmp_path / "staging.yaml").write_text(good, "utf-8")
    assert load(tmp_path / "staging.yaml").integrations["db"].url
    assert mistakes(tmp_path, good.replace(before, after)) == [told]


@pytest.mark.parametrize(("before", "after", "told"), CASES.values(), ids=CASES.keys())
def test_a_mistake_is_told_with_its_line_its_path_and_its_remedy(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    assert GOOD.count(before) == 1

    assert mistakes(tmp_path, GOOD.replace(before, after)) == [told]


def test_ends_that_neither_send_nor_take_are_told(tmp_path: Path) -> None:
    turned = GOOD.replace("source: shop\n", "source: erp\n").replace("destination: erp\n", "destination: shop\n")
    turned = turned.replace("shopify\n    account: shop.myshopify.com", "gitlab\n    allowed_addresses: []")

    assert mistakes(tmp_path, turned) == [
        (
            "staging.yaml:11: flows.shop-to-erp.source: ERPNext sends no events, and no streams of it are read; state its "
            "streams, or use one of: shop"
        ),
        "staging.yaml:12: flows.shop-to-erp.destination: GitLab takes no events; use one of: erp",
    ]


def test_a_flow_in_which_nothing_happens_is_told(tmp_path: Path) -> None:
    ignored = "".join(f"      {topic}: ignore\n" for topic in TOPICS)

    assert mistakes(tmp_path, GOOD.replace("    settings:\n", f"    actions:\n{ignored}    settings:\n")) == [
        (
            "staging.yaml:13: flows.shop-to-erp.actions: no event of Shopify leads to an action of ERPNext; remove the flow, "
            "or give at least one topic an action"
        )
    ]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        GOOD.replace("connector: shopify", "connector: shopfy")
        .replace("https://", "http://")
        .replace("source: shop\n", "source: shop\n    workers: 0\n")
        .replace("company: Example Inc", "companie: Example Inc")
        + "log_level: LOUD\n"
    )

    assert [line.split(": ")[0:2] for line in mistakes(tmp_path, text)] == [
        ["staging.yaml:4", "integrations.shop.connector"],
        ["staging.yaml:8", "integrations.erp.url"],
        ["staging.yaml:12", "flows.shop-to-erp.workers"],
        ["staging.yaml:14", "flows.shop-to-erp.settings.company"],
        ["staging.yaml:15", "flows.shop-to-erp.settings.companie"],
        ["staging.yaml:22", "log_level"],
    ]


def test_what_the_destination_refuses_is_told_beside_other_mistakes(tmp_path: Path) -> None:
    text = GOOD.replace("company: Example Inc", "companie: Example Inc").replace("stage: staging", "stage: 1")

    assert [line.split(": ")[0:2] for line in mistakes(tmp_path, text)] == [
        ["staging.yaml:1", "stage"],
        ["staging.yaml:13", "flows.shop-to-erp.settings.company"],
        ["staging.yaml:14", "flows.shop-to-erp.settings.companie"],
    ]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "just words\n", "- a list\n", "stage: x1\nflows: 3\nintegrations: [1]\n"]
)
def test_a_file_that_is_something_else_is_told_without_a_traceback(tmp_path: Path, text: str) -> None:
    assert all(line.startswith("staging.yaml:") and "; " in line for line in mistakes(tmp_path, text))


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    file = tmp_path / "staging.yaml"
    file.write_bytes(b"stage: \xff\n")

    with pytest.raises(ConfigurationError, match=r"staging\.yaml: is not UTF-8 text; save it as UTF-8"):
        load(file)


def test_no_secret_that_stands_in_the_wrong_place_is_repeated(tmp_path: Path) -> None:
    told = mistakes(tmp_path, GOOD.replace("https://erp.example.com", "https://key:hunter2@erp.example.com"))

    assert "hunter2" not in "".join(told)


def test_repeated_parts_may_be_written_once(tmp_path: Path) -> None:
    text = GOOD.replace("    settings:\n", "    settings: &all\n")
    again = (
        "  second-to-erp:\n    source: shop\n    destination: erp\n    settings:\n      <<: *all\n      submit: false\n"
    )
    file = tmp_path / "staging.yaml"
    file.write_text(text + again, "utf-8")

    second = load(file).flows["second-to-erp"].settings

    assert (second["company"], second["submit"]) == ("Example Inc", False)


def test_a_stage_without_a_file_is_told_with_those_that_have_one(tmp_path: Path) -> None:
    for name in ("local", "example", "production"):
        (tmp_path / f"{name}.yaml").write_text("")

    with pytest.raises(ConfigurationError) as refusal:
        load_stage("staging", tmp_path)

    assert str(refusal.value) == (
        f"there is no stage 'staging': {tmp_path}/staging.yaml does not exist; stages: local, production; "
        "copy config/example.yaml to add one"
    )


def test_a_file_that_names_another_stage_is_told(tmp_path: Path) -> None:
    (tmp_path / "live.yaml").write_text(GOOD)

    with pytest.raises(ConfigurationError) as refusal:
        load_stage("live", tmp_path)

    assert str(refusal.value) == (
        f"{tmp_path}/live.yaml: stage: is 'staging' in the file of stage 'live'; write stage: live"
    )


def test_the_example_is_a_valid_configuration() -> None:
    config = load(CONFIG / "example.yaml")

    assert config.stage == "production"
    assert set(config.flows) == {"shop-eu-to-erp", "shop-us-to-erp"}


def test_the_example_shows_every_setting_of_the_hub() -> None:
    """Those that do not fit every hub are shown as comments."""
    text = (CONFIG / "example.yaml").read_text("utf-8")
    facts = json.loads(schema())
    parts = {"": facts, **facts["$defs"]}

    assert set(parts) >= {"", "Integration", "Flow", "Retry", "Alarms", "BreakerLimits", "PacingLimits", "StreamConfig"}
    for part in (part for part in parts.values() if "properties" in part):
        assert [name for name in part["properties"] if not re.search(rf"^ *(# *)?{name}:", text, re.MULTILINE)] == []


def test_the_local_stage_is_a_valid_configuration() -> None:
    assert load_stage("local").stage == "local"


def test_the_schema_in_the_repository_is_that_of_the_models() -> None:
    assert SCHEMA.read_text("utf-8") == schema(), "write it anew: python -m infra.configuration schema"


@pytest.mark.parametrize("name", ["example", "local"])
def test_editors_accept_our_own_configurations(name: str) -> None:
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(
        yaml.safe_load((CONFIG / f"{name}.yaml").read_text("utf-8"))
    )


def test_payments_from_transactions_need_the_action_to_be_named(tmp_path: Path) -> None:
    text = GOOD.replace("    settings:\n", "    settings:\n      payments_from: transactions\n", 1)
    action = "    actions:\n      order_transactions/create: create_payment_entry\n"

    (told,) = mistakes(tmp_path, text)
    assert "no topic leads to create_payment_entry, which the settings count on" in told
    (tmp_path / "staging.yaml").write_text(text.replace("    settings:\n", f"{action}    settings:\n", 1))
    assert load(tmp_path / "staging.yaml").flows["shop-to-erp"].actions
    (told,) = mistakes(tmp_path, GOOD.replace("    settings:\n", f"{action}    settings:\n", 1))
    assert "create_payment_entry does nothing with these settings" in told


def test_rows_are_read_as_more_only_where_the_connector_can(tmp_path: Path) -> None:
    settings = "settings: {doctype: Bin, time_zone: UTC}"
    stream = f"    streams: {{bins: {{record: stock, {settings}}}}}\n"
    text = GOOD.replace("    url: https://erp.example.com\n", f"    url: https://erp.example.com\n{stream}", 1)

    (told,) = mistakes(tmp_path, text)
    assert told.endswith("streams.bins.record: ERPNext reads no row as 'stock'; use one of: row, stock_level, price")


def test_stock_that_is_read_from_the_erp_is_set_in_the_shop(tmp_path: Path) -> None:
    streams = "    streams: {bins: {record: stock_level, settings: {doctype: Bin, time_zone: UTC}}}\n"
    back = "  erp-to-shop:\n    source: erp\n    destination: shop\n"
    text = GOOD.replace("    url: https://erp.example.com\n", f"    url: https://erp.example.com\n{streams}", 1)
    text = text.replace(
        "    account: shop.myshopify.com\n", "    account: shop.myshopify.com\n    url: https://s.example.com\n"
    )
    (tmp_path / "staging.yaml").write_text(text + back)

    config = load(tmp_path / "staging.yaml")

    assert divided(config, config.flows["erp-to-shop"]).actions == {"erpnext.bins": "set_stock_level"}
