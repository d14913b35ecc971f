"""What the stand-in knows about each DocType: fields, links, lengths, names; only what is needed.

One line per field: `fieldname[, fieldname …]: Type options; flag; flag`. Types are Frappe's. Options are the DocType of a
Link or Table and the choices of a Select. Flags: `reqd`, `unique`, `on_submit` (may change after submission),
`constant` (set once), `default=…`, `label=…`, `hidden` (shown as asterisks), `null` (sent even when null).
Fields and defaults are those of the recordings, in their order; `on_submit` is given only where a recording shows it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

NUMBERS = {"Int": 0, "Check": 0, "Float": 0.0, "Currency": 0.0, "Percent": 0.0}
TEXTS = {"Text", "Small Text", "Long Text", "Code", "Text Editor", "HTML Editor", "JSON"}


@dataclass(frozen=True)
class Field:
    """One field of a DocType; `label` is what ERPNext's messages call it."""

    name: str
    type: str
    options: str = ""
    default: Any = None
    label: str = ""
    reqd: bool = False
    unique: bool = False
    on_submit: bool = False
    constant: bool = False
    hidden: bool = False
    null: bool = False
    length: int = 0

    @property
    def choices(self) -> list[str]:
        return self.options.split("|")

    @property
    def max_length(self) -> int | None:
        """Characters that the column holds; None when it has no limit."""
        if self.type in {"Data", "Link", "Select", "Dynamic Link", "Read Only", "Password"}:
            return self.length or 140
        return None


@dataclass(frozen=True)
class DocType:
    """One DocType; `naming` is `field:x`, `series:PREFIX`, `hash`, `prompt`, `title` (of a Customer) or `single`."""

    name: str
    naming: str
    fields: tuple[Field, ...]
    submittable: bool = False
    child: bool = False
    title: str = ""
    module: str = field(default="", compare=False)

    @cached_property
    def by_name(self) -> dict[str, Field]:
        return {each.name: each for each in self.fields}

    @cached_property
    def tables(self) -> tuple[Field, ...]:
        return tuple(each for each in self.fields if each.type == "Table")

    @cached_property
    def columns(self) -> tuple[Field, ...]:
        return tuple(each for each in self.fields if each.type != "Table")

    @cached_property
    def unique_fields(self) -> tuple[str, ...]:
        return tuple(each.name for each in self.fields if each.unique)

    def with_fields(self, custom: Iterable[tuple[Field, str]]) -> DocType:
        """This DocType with custom fields, each placed after the field named with it (or at the end)."""
        fields = list(self.fields)
        for new, after in custom:
            positions = [i for i, each in enumerate(fields) if each.name == after]
            fields.insert(positions[0] + 1 if positions else len(fields), new)
        return DocType(self.name, self.naming, tuple(fields), self.submittable, self.child, self.title, self.module)


LABELS = {"qty": "Quantity", "uom": "UOM", "po_no": "Customer's Purchase Order", "dt": "DocType", "tax_id": "Tax ID"}
STANDARD = ("name", "owner", "creation", "modified", "modified_by", "docstatus", "idx")
CHILD_STANDARD = ("parent", "parentfield", "parenttype")


def _fields(text: str) -> tuple[Field, ...]:
    found: list[Field] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        names, _, rest = line.partition(": ")
        kind, *flags = [part.strip() for part in rest.split(";")]
        base = next((known for known in ("Small Text", "Long Text", "Dynamic Link") if kind.startswith(known)), None)
        type_name, _, options = (base, "", kind[len(base) :].strip()) if base else kind.partition(" ")
        values: dict[str, Any] = {flag: True for flag in flags if "=" not in flag}
        values.update((flag.split("=", 1)[0], flag.split("=", 1)[1]) for flag in flags if "=" in flag)
        values["length"] = int(values.get("length", 0))
        if type_name in NUMBERS:
            values["default"] = type(NUMBERS[type_name])(values.get("default", NUMBERS[type_name]))
        for name in names.split(", "):
            label = values.get("label") or LABELS.get(name) or name.replace("_", " ").title()
            found.append(Field(name, type_name, options, **{**values, "label": label}))
    return tuple(found)


def _doctype(
    name: str, naming: str, text: str, *, submittable: bool = False, child: bool = False, title: str = ""
) -> DocType:
    return DocType(name, naming, _fields(text), submittable, child, title)


def _tree(name: str, key: str, extra: str = "") -> DocType:
    """A setup DocType that is named by one field and hangs in a tree."""
    parent = f"parent_{name.lower().replace(' ', '_')}"
    text = f"{key}: Data; reqd; unique\n{parent}: Link {name}\nis_group: Check\nold_parent: Data\n{extra}"
    return _doctype(name, f"field:{key}", text)


CUSTOMER = """
naming_series: Select CUST-.YYYY.-; default=CUST-.YYYY.-
salutation: Link Salutation
customer_name: Data; reqd
customer_type: Select Company|Individual|Partnership; default=Company; reqd
customer_group: Link Customer Group
territory: Link Territory
gender: Link Gender
lead_name: Link Lead
opportunity_name: Link Opportunity
prospect_name: Link Prospect
account_manager: Link User
image: Data
default_currency: Link Currency
default_bank_account: Link Bank Account
default_price_list: Link Price List
is_internal_customer: Check
represents_company: Link Company
market_segment: Link Market Segment
industry: Link Industry Type
customer_pos_id, website: Data
language: Link Language; default=en
customer_details: Text
customer_primary_address: Link Address
primary_address: Text
customer_primary_contact: Link Contact
mobile_no, email_id, first_name, last_name: Data
tax_id: Data
tax_category: Link Tax Category
tax_withholding_category: Link Tax Withholding Category
payment_terms: Link Payment Terms Template
loyalty_program: Link Loyalty Program
loyalty_program_tier: Data
default_sales_partner: Link Sales Partner
default_commission_rate: Float
so_required, dn_required, exempt_from_sales_tax, is_frozen, disabled: Check
sales_team: Table Sales Team
portal_users: Table Portal User
companies: Table Allowed To Transact With
accounts: Table Party Account
credit_limits: Table Customer Credit Limit
"""

ITEM = """
naming_series: Select STO-ITEM-.YYYY.-; default=STO-ITEM-.YYYY.-
item_code: Data; reqd; unique
item_name: Data
item_group: Link Item Group; reqd
stock_uom: Link UOM; reqd; default=Nos; label=Default Unit of Measure
disabled, allow_alternative_item: Check
is_stock_item: Check; default=1
has_variants: Check
opening_stock, valuation_rate, standard_rate: Currency
is_fixed_asset, auto_create_assets, is_grouped_asset: Check
over_delivery_receipt_allowance, over_billing_allowance: Float
image: Data
description: Text
brand: Link Brand
shelf_life_in_days: Int
end_of_life: Date; default=2099-12-31
default_material_request_type: Select Purchase|Material Transfer|Material Issue|Manufacture|Customer Provided; default=Purchase
valuation_method: Select |FIFO|Moving Average|LIFO; default=
warranty_period: Data
weight_per_unit: Float
weight_uom: Link UOM
allow_negative_stock, has_batch_no, create_new_batch, has_expiry_date, retain_sample: Check
sample_quantity: Int
has_serial_no: Check
serial_no_series: Data
variant_of: Link Item
variant_based_on: Select Item Attribute|Manufacturer; default=Item Attribute
enable_deferred_expense: Check
no_of_months_exp: Int
enable_deferred_revenue: Check
no_of_months: Int
purchase_uom: Link UOM
min_order_qty, safety_stock: Float
is_purchase_item: Check; default=1
lead_time_days: Int
last_purchase_rate: Float
is_customer_provided_item: Check
customer: Link Customer
delivered_by_supplier: Check
country_of_origin: Link Country
customs_tariff_number: Data
sales_uom: Link UOM
grant_commission, is_sales_item: Check; default=1
max_discount: Float
inspection_required_before_purchase, inspection_required_before_delivery: Check
include_item_in_manufacturing: Check; default=1
is_sub_contracted_item: Check
customer_code: Small Text; default=
total_projected_qty: Float
taxes: Table Item Tax
item_defaults: Table Item Default
uoms: Table UOM Conversion Detail
barcodes: Table Item Barcode
customer_items: Table Item Customer Detail
attributes: Table Item Variant Attribute
reorder_levels: Table Item Reorder
supplier_items: Table Item Supplier
"""

# Fields shared by the three selling documents, in the recorded order.
CURRENCY_AND_PRICE_LIST = """
currency: Link Currency; reqd
conversion_rate: Float; label=Exchange Rate
selling_price_list: Link Price List
price_list_currency: Link Currency
plc_conversion_rate: Float
ignore_pricing_rule: Check
scan_barcode: Data
last_scanned_warehouse: Data; null
"""

TOTALS = """
base_total_taxes_and_charges, total_taxes_and_charges, base_grand_total, base_rounding_adjustment: Currency
base_rounded_total: Currency
base_in_words: Data; length=240
grand_total, rounding_adjustment: Currency
rounded_total: Currency
in_words: Data; length=240
"""

SALES_ORDER = f"""
title: Data; default={{customer_name}}
naming_series: Select SAL-ORD-.YYYY.-; default=SAL-ORD-.YYYY.-; reqd
customer: Link Customer; reqd
customer_name: Data
tax_id: Data
order_type: Select |Sales|Maintenance|Shopping Cart; default=Sales; reqd
transaction_date: Date; reqd
delivery_date: Date
po_no: Data; on_submit
po_date: Date
company: Link Company; reqd
skip_delivery_note, has_unit_price_items: Check
amended_from: Link Sales Order
cost_center: Link Cost Center
project: Link Project
{CURRENCY_AND_PRICE_LIST}
set_warehouse: Link Warehouse
reserve_stock: Check
total_qty, total_net_weight: Float
base_total, base_net_total, total, net_total: Currency
tax_category: Link Tax Category; default=
taxes_and_charges: Link Sales Taxes and Charges Template
exempt_from_sales_tax: Check
shipping_rule: Link Shipping Rule
incoterm: Link Incoterm
named_place: Data
{TOTALS}
advance_paid: Currency
disable_rounded_total: Check
apply_discount_on: Select |Grand Total|Net Total; default=Grand Total
base_discount_amount: Currency
coupon_code: Link Coupon Code
additional_discount_percentage: Float
discount_amount: Currency
other_charges_calculation: Long Text
customer_address: Link Address
address_display: Text
customer_group: Link Customer Group
territory: Link Territory
contact_person: Link Contact
contact_display, contact_phone, contact_mobile: Small Text
contact_email: Data
shipping_address_name: Link Address
shipping_address: Text
dispatch_address_name: Link Address
dispatch_address: Text
company_address: Link Address
company_address_display: Text
company_contact_person: Link Contact
payment_terms_template: Link Payment Terms Template
tc_name: Link Terms and Conditions
terms: Text Editor
status: Select |Draft|On Hold|To Pay|To Deliver and Bill|To Bill|To Deliver|Completed|Cancelled|Closed; default=Draft
delivery_status: Select Not Delivered|Fully Delivered|Partly Delivered|Closed|Not Applicable; default=Not Delivered
per_delivered, per_billed, per_picked: Percent
billing_status: Select Not Billed|Fully Billed|Partly Billed|Closed; default=Not Billed
sales_partner: Link Sales Partner
amount_eligible_for_commission: Currency
commission_rate: Float
total_commission: Currency
loyalty_points: Int
loyalty_amount: Currency
from_date, to_date: Date
auto_repeat: Link Auto Repeat
letter_head: Link Letter Head
group_same_items: Check
select_print_heading: Link Print Heading
language: Data
is_internal_customer, ignore_default_payment_terms_template: Check
represents_company: Link Company
source: Link Lead Source
inter_company_order_reference: Link Purchase Order
campaign: Link Campaign
party_account_currency: Link Currency
sales_team: Table Sales Team
taxes: Table Sales Taxes and Charges
pricing_rules: Table Pricing Rule Detail
items: Table Sales Order Item; reqd
packed_items: Table Packed Item
payment_schedule: Table Payment Schedule
"""

# The price columns of a Sales Order Item, a Sales Invoice Item and a Delivery Note Item.
PRICES = """
price_list_rate, base_price_list_rate: Currency
margin_type: Select |Percentage|Amount; default=
margin_rate_or_amount, rate_with_margin: Float
discount_percentage: Percent
discount_amount, distributed_discount_amount, base_rate_with_margin: Currency
rate, amount: Currency
item_tax_template: Link Item Tax Template
base_rate, base_amount: Currency
pricing_rules: Small Text
stock_uom_rate: Currency
is_free_item: Check
grant_commission: Check; default=1
net_rate, net_amount, base_net_rate, base_net_amount: Currency
"""

SALES_ORDER_ITEM = f"""
item_code: Link Item
customer_item_code: Data
ensure_delivery_based_on_produced_serial_no, is_stock_item, reserve_stock: Check
delivery_date: Date
item_name: Data; reqd
description: Text
item_group: Link Item Group
brand: Link Brand
image: Data
qty: Float; reqd
stock_uom: Link UOM
uom: Link UOM; reqd
conversion_factor: Float
stock_qty, stock_reserved_qty: Float
{PRICES}
billed_amt, valuation_rate, gross_profit: Currency
delivered_by_supplier: Check
supplier: Link Supplier
weight_per_unit, total_weight: Float
weight_uom: Link UOM
warehouse, target_warehouse: Link Warehouse
prevdoc_docname: Link Quotation
quotation_item: Data
against_blanket_order: Check
blanket_order: Link Blanket Order
blanket_order_rate: Currency
actual_qty, company_total_stock: Float
bom_no: Link BOM
projected_qty, ordered_qty, planned_qty, production_plan_qty, requested_qty, work_order_qty: Float
delivered_qty, produced_qty, returned_qty, picked_qty: Float
additional_notes: Text
page_break: Check
item_tax_rate: Code; default={{}}
transaction_date: Date
material_request: Link Material Request
purchase_order: Link Purchase Order
material_request_item, purchase_order_item: Data
cost_center: Link Cost Center
project: Link Project
subcontracted_qty: Float
fg_item: Link Item
fg_item_qty: Float
"""

TAXES_AND_CHARGES = """
charge_type: Select |Actual|On Net Total|On Previous Row Amount|On Previous Row Total|On Item Quantity; reqd
row_id: Data
account_head: Link Account; reqd
description: Small Text; reqd
included_in_print_rate, included_in_paid_amount: Check
cost_center: Link Cost Center
project: Link Project
rate: Float
account_currency: Link Currency
tax_amount, total, tax_amount_after_discount_amount: Currency
base_tax_amount, base_total, base_tax_amount_after_discount_amount: Currency
item_wise_tax_detail: Code
dont_recompute_tax: Check
"""

PAYMENT_SCHEDULE = """
payment_term: Link Payment Term
description: Small Text
due_date: Date
invoice_portion: Percent
mode_of_payment: Link Mode of Payment
due_date_based_on: Data
credit_days, credit_months: Int
discount_date: Date
discount: Float
discount_type, discount_validity_based_on: Data
discount_validity: Int
payment_amount, outstanding, paid_amount, discounted_amount: Currency
base_payment_amount, base_outstanding, base_paid_amount: Currency
"""

SALES_INVOICE = """
title: Data; default={customer_name}
naming_series: Select ACC-SINV-.YYYY.-|ACC-SINV-RET-.YYYY.-; default=ACC-SINV-.YYYY.-; reqd
customer: Link Customer; reqd
customer_name: Data
tax_id: Data
company: Link Company; reqd
posting_date: Date; reqd
posting_time: Time
set_posting_time: Check
due_date: Date
is_pos, is_consolidated, is_return: Check
return_against: Link Sales Invoice
update_outstanding_for_self: Check; default=1
update_billed_amount_in_sales_order: Check
update_billed_amount_in_delivery_note: Check; default=1
is_debit_note: Check
amended_from: Link Sales Invoice
cost_center: Link Cost Center
project: Link Project
currency: Link Currency; reqd
conversion_rate: Float; label=Exchange Rate
selling_price_list: Link Price List
price_list_currency: Link Currency
plc_conversion_rate: Float
ignore_pricing_rule: Check
scan_barcode: Data
update_stock: Check
last_scanned_warehouse: Data; null
set_warehouse, set_target_warehouse: Link Warehouse
total_qty, total_net_weight: Float
base_total, base_net_total, total, net_total: Currency
exempt_from_sales_tax: Check
tax_category: Link Tax Category; default=
taxes_and_charges: Link Sales Taxes and Charges Template
shipping_rule: Link Shipping Rule
base_total_taxes_and_charges, total_taxes_and_charges, base_grand_total, base_rounding_adjustment: Currency
base_rounded_total: Currency
base_in_words: Data; length=240
grand_total, rounding_adjustment: Currency
use_company_roundoff_cost_center: Check
rounded_total: Currency
in_words: Data; length=240
total_advance, outstanding_amount: Currency
disable_rounded_total: Check
apply_discount_on: Select |Grand Total|Net Total; default=Grand Total
base_discount_amount: Currency
is_cash_or_non_trade_discount: Check
additional_discount_percentage: Float
discount_amount: Currency
total_billing_hours: Float
total_billing_amount: Currency
base_paid_amount, paid_amount, base_change_amount, change_amount: Currency
allocate_advances_automatically, only_include_allocated_payments: Check
write_off_amount, base_write_off_amount: Currency
write_off_outstanding_amount_automatically, redeem_loyalty_points: Check
loyalty_points: Int
loyalty_amount: Currency
customer_address: Link Address
address_display: Text
contact_person: Link Contact
contact_display, contact_mobile: Small Text
contact_email: Data
territory: Link Territory
shipping_address_name: Link Address
shipping_address: Text
ignore_default_payment_terms_template: Check
payment_terms_template: Link Payment Terms Template
po_no: Data; default=
po_date: Date
debit_to: Link Account
party_account_currency: Link Currency
is_opening: Select No|Yes; default=No
against_income_account: Small Text
amount_eligible_for_commission: Currency
commission_rate: Float
total_commission: Currency
letter_head: Link Letter Head
group_same_items: Check
language: Data
status: Select |Draft|Return|Credit Note Issued|Submitted|Paid|Partly Paid|Unpaid|Overdue|Cancelled; default=Draft
customer_group: Link Customer Group
is_internal_customer, is_discounted: Check
remarks: Small Text
sales_team: Table Sales Team
taxes: Table Sales Taxes and Charges
pricing_rules: Table Pricing Rule Detail
advances: Table Sales Invoice Advance
timesheets: Table Sales Invoice Timesheet
items: Table Sales Invoice Item; reqd
packed_items: Table Packed Item
payments: Table Sales Invoice Payment
payment_schedule: Table Payment Schedule
"""

SALES_INVOICE_ITEM = f"""
barcode: Data
has_item_scanned: Check
item_code: Link Item
item_name: Data; reqd
customer_item_code: Data
description: Text
item_group: Link Item Group
brand: Link Brand
image: Data
qty: Float
stock_uom: Link UOM
uom: Link UOM; reqd
conversion_factor: Float
stock_qty: Float
{PRICES}
delivered_by_supplier: Check
income_account: Link Account
is_fixed_asset: Check
asset: Link Asset
finance_book: Link Finance Book
expense_account, discount_account, deferred_revenue_account: Link Account
service_stop_date: Date
enable_deferred_revenue: Check
service_start_date, service_end_date: Date
weight_per_unit, total_weight: Float
weight_uom: Link UOM
warehouse, target_warehouse: Link Warehouse
quality_inspection: Link Quality Inspection
serial_and_batch_bundle: Data
use_serial_batch_fields, allow_zero_valuation_rate: Check
incoming_rate: Currency
item_tax_rate: Code; default={{}}
actual_batch_qty: Float
serial_no: Text
batch_no: Link Batch
actual_qty, company_total_stock: Float
sales_order: Link Sales Order
so_detail, sales_invoice_item: Data
delivery_note: Link Delivery Note
dn_detail: Data
delivered_qty: Float
pos_invoice, pos_invoice_item: Data
purchase_order: Link Purchase Order
purchase_order_item: Data
cost_center: Link Cost Center
project: Link Project
page_break: Check
"""

DELIVERY_NOTE = f"""
title: Data; default={{customer_name}}
naming_series: Select MAT-DN-.YYYY.-|MAT-DN-RET-.YYYY.-; default=MAT-DN-.YYYY.-; reqd
customer: Link Customer; reqd
customer_name: Data
company: Link Company; reqd
posting_date: Date; reqd
posting_time: Time
set_posting_time: Check
po_no: Data
is_return: Check
return_against: Link Delivery Note
amended_from: Link Delivery Note
{CURRENCY_AND_PRICE_LIST}
set_warehouse: Link Warehouse
total_qty, total_net_weight: Float
base_total, base_net_total, total, net_total: Currency
{TOTALS}
disable_rounded_total: Check
apply_discount_on: Select |Grand Total|Net Total; default=Grand Total
base_discount_amount: Currency
additional_discount_percentage: Float
discount_amount: Currency
customer_group: Link Customer Group
territory: Link Territory
status: Select |Draft|To Bill|Partially Billed|Completed|Return|Return Issued|Cancelled|Closed; default=Draft
per_billed, per_installed, per_returned: Percent
transporter_name: Data
lr_no: Data; label=Transport Receipt No
language: Data
taxes: Table Sales Taxes and Charges
items: Table Delivery Note Item; reqd
"""

DELIVERY_NOTE_ITEM = f"""
item_code: Link Item
item_name: Data; reqd
description: Text
item_group: Link Item Group
image: Data
qty: Float; reqd
stock_uom: Link UOM
uom: Link UOM; reqd
conversion_factor: Float
stock_qty: Float
{PRICES}
billed_amt: Currency
warehouse, target_warehouse: Link Warehouse
actual_qty: Float
against_sales_order: Link Sales Order
so_detail, dn_detail: Data
returned_qty: Float
item_tax_rate: Code; default={{}}
expense_account: Link Account
cost_center: Link Cost Center
"""

PAYMENT_ENTRY = """
naming_series: Select ACC-PAY-.YYYY.-; default=ACC-PAY-.YYYY.-; reqd
payment_type: Select Receive|Pay|Internal Transfer; reqd
payment_order_status: Select Initiated|Payment Ordered; default=Initiated
posting_date: Date; reqd
company: Link Company; reqd
mode_of_payment: Link Mode of Payment
party_type: Data
party: Dynamic Link party_type
party_name: Data
book_advance_payments_in_separate_party_account, reconcile_on_advance_payment_date: Check
bank_account, party_bank_account: Data
contact_person: Link Contact
contact_email: Data
party_balance: Currency
paid_from: Link Account
paid_from_account_type: Data
paid_from_account_currency: Link Currency
paid_from_account_balance: Currency
paid_to: Link Account
paid_to_account_type: Data
paid_to_account_currency: Link Currency
paid_to_account_balance: Currency
paid_amount: Currency; reqd
paid_amount_after_tax: Currency
source_exchange_rate: Float
base_paid_amount, base_paid_amount_after_tax: Currency
received_amount: Currency; reqd
received_amount_after_tax: Currency
target_exchange_rate: Float
base_received_amount, base_received_amount_after_tax: Currency
total_allocated_amount, base_total_allocated_amount, unallocated_amount, difference_amount: Currency
apply_tax_withholding_amount: Check
base_total_taxes_and_charges, total_taxes_and_charges: Currency
reference_no: Data
reference_date, clearance_date: Date
project: Link Project
cost_center: Link Cost Center
status: Select |Draft|Submitted|Cancelled; default=Draft
custom_remarks: Check
remarks: Small Text
base_in_words: Data; length=240
is_opening: Select No|Yes; default=No
letter_head, print_heading: Data
bank, bank_account_no: Data
payment_order: Data
in_words: Data; length=240
auto_repeat: Data
amended_from: Link Payment Entry
title: Data
deductions: Table Payment Entry Deduction
taxes: Table Advance Taxes and Charges
references: Table Payment Entry Reference
"""

PAYMENT_ENTRY_REFERENCE = """
reference_doctype: Link DocType; reqd
reference_name: Dynamic Link reference_doctype; reqd
due_date: Date
bill_no: Data
payment_term: Link Payment Term
payment_term_outstanding: Float
account_type, payment_type: Data
total_amount, outstanding_amount, allocated_amount: Float
exchange_rate: Float
exchange_gain_loss: Currency
account: Link Account
payment_request: Data
payment_request_outstanding: Float
"""

GL_ENTRY = """
posting_date, transaction_date: Date
account: Link Account
party_type: Data
party: Dynamic Link party_type
cost_center: Link Cost Center
debit, credit: Currency
account_currency: Link Currency
debit_in_account_currency, credit_in_account_currency: Currency
against: Text
against_voucher_type: Data
against_voucher: Dynamic Link against_voucher_type
voucher_type: Data
voucher_no: Dynamic Link voucher_type
remarks: Text
is_opening: Data; default=No
company: Link Company
fiscal_year: Data
is_cancelled: Check
"""

STOCK_ENTRY = """
naming_series: Select MAT-STE-.YYYY.-; default=MAT-STE-.YYYY.-; reqd
stock_entry_type: Data; reqd
outgoing_stock_entry: Link Stock Entry
purpose: Select Material Issue|Material Receipt|Material Transfer
add_to_transit: Check
company: Link Company; reqd
posting_date: Date
posting_time: Time
set_posting_time, inspection_required, apply_putaway_rule, from_bom: Check
use_multi_level_bom: Check; default=1
fg_completed_qty: Float
process_loss_percentage: Percent
process_loss_qty: Float
from_warehouse, to_warehouse: Link Warehouse
last_scanned_warehouse: Data; null
total_outgoing_value, total_incoming_value, value_difference, total_additional_costs: Currency
is_opening: Select No|Yes; default=No
remarks: Text
per_transferred: Percent
total_amount: Currency
amended_from: Link Stock Entry
is_return: Check
items: Table Stock Entry Detail; reqd
additional_costs: Table Landed Cost Taxes and Charges
"""

STOCK_ENTRY_DETAIL = """
barcode: Data
has_item_scanned: Check
s_warehouse, t_warehouse: Link Warehouse
item_code: Link Item; reqd
item_name: Data
is_finished_item, is_scrap_item: Check
description: Text
item_group: Data
image: Data
qty: Float; reqd
transfer_qty: Float
retain_sample: Check
uom, stock_uom: Link UOM
conversion_factor: Float
sample_quantity: Int
basic_rate, additional_cost, valuation_rate: Currency
allow_zero_valuation_rate, set_basic_rate_manually: Check
basic_amount, amount: Currency
use_serial_batch_fields: Check
expense_account: Link Account
cost_center: Link Cost Center
actual_qty, transferred_qty: Float
allow_alternative_item: Check
"""

STOCK_LEDGER_ENTRY = """
item_code: Link Item; reqd
warehouse: Link Warehouse; reqd
posting_date: Date
posting_time: Time
voucher_type, voucher_no, voucher_detail_no: Data
actual_qty, qty_after_transaction, valuation_rate: Float
company: Link Company
"""

BIN = """
item_code: Link Item; reqd
warehouse: Link Warehouse; reqd
actual_qty, planned_qty, indented_qty, ordered_qty, reserved_qty, projected_qty: Float
stock_uom: Link UOM
valuation_rate, stock_value: Float
"""

CUSTOM_FIELD = """
is_system_generated: Check
dt: Link DocType; reqd
module: Data
label: Data
fieldname: Data
insert_after: Data
length: Int
fieldtype: Select Autocomplete|Check|Code|Color|Currency|Data|Date|Datetime|Dynamic Link|Float|Int|Link|Long Text|Percent|Select|Small Text|Text|Text Editor|Time; default=Data; reqd
precision: Data; default=
hide_seconds, hide_days: Check
options: Small Text
sort_options: Check
fetch_from: Small Text
fetch_if_empty, collapsible: Check
default: Text
depends_on, mandatory_depends_on, read_only_depends_on: Code
non_negative, reqd, unique, is_virtual, read_only, ignore_user_permissions, hidden, print_hide: Check
print_hide_if_no_value: Check
no_copy, allow_on_submit, in_list_view, in_standard_filter, in_global_search, in_preview, bold, report_hide: Check
search_index, allow_in_quick_entry, ignore_xss_filter, translatable, hide_border, show_dashboard: Check
description: Text
permlevel, columns: Int
"""

WEBHOOK = """
webhook_doctype: Link DocType; reqd
webhook_docevent: Select after_insert|on_update|on_submit|on_cancel|on_trash|on_update_after_submit|on_change; reqd
enabled: Check; default=1
condition: Small Text
request_url: Text; reqd
is_dynamic_url: Check
timeout: Int; default=5
background_jobs_queue: Data
request_method: Select POST|PUT|DELETE; default=POST; reqd
request_structure: Select |Form URL-Encoded|JSON
enable_security: Check
webhook_secret: Password; hidden
webhook_json: Code
meets_condition: Data; default=Yes
preview_document: Data
preview_request_body: Code; default=Select a document to preview request data
webhook_data: Table Webhook Data
webhook_headers: Table Webhook Header
"""

SYSTEM_SETTINGS = """
app_name: Data; default=ERPNext
country: Link Country; default=United States
language: Link Language; default=en
time_zone: Data
currency: Link Currency; default=USD
enable_onboarding, setup_complete: Check; default=1
disable_document_sharing: Check
date_format: Data; default=mm-dd-yyyy
time_format: Data; default=HH:mm:ss
number_format: Data; default=#,###.##
use_number_format_from_currency: Check
first_day_of_the_week: Data; default=Sunday
float_precision: Data; default=3
currency_precision: Data; default=
rounding_method: Data; default=Banker's Rounding
apply_strict_user_permissions, allow_older_web_view_links: Check
session_expiry: Data; default=170:00
document_share_key_expiry: Int; default=30
deny_multiple_sessions, disable_user_pass_login: Check
max_signups_allowed_per_hour: Int; default=300
allow_login_using_mobile_number, allow_login_using_user_name: Check
login_with_email_link: Check; default=1
login_with_email_link_expiry: Int; default=10
rate_limit_email_link_login: Int
allow_consecutive_login_attempts: Int; default=10
allow_login_after_fail: Int; default=60
enable_two_factor_auth, bypass_2fa_for_retricted_ip_users, bypass_restrict_ip_check_if_2fa_enabled: Check
two_factor_method: Data; default=OTP App
lifespan_qrcode_image: Int
otp_issuer_name: Data; default=Frappe Framework
logout_on_password_reset: Check; default=1
force_user_to_reset_password: Int
reset_password_link_expiry_duration: Data; default=1200
password_reset_limit: Int; default=3
enable_password_policy: Check; default=1
minimum_password_score: Data; default=2
email_retry_limit: Int; default=3
disable_standard_email_footer, hide_footer_in_auto_email_reports: Check
attach_view_link, store_attached_pdf_document: Check; default=1
max_file_size: Int
allow_guests_to_upload_files, force_web_capture_mode_for_uploads: Check
strip_exif_metadata_from_uploaded_images: Check; default=1
delete_background_exported_reports_after: Int; default=48
disable_system_update_notification, disable_change_log_notification: Check
backup_limit: Int; default=3
encrypt_backup: Check
max_auto_email_report_per_user: Int; default=20
max_report_rows: Int; default=100000
enable_scheduler: Check; default=1
dormant_days: Int; default=4
allow_error_traceback: Check; default=1
enable_telemetry: Check
link_field_results_limit: Int; default=10
show_absolute_datetime_in_timeline, log_api_requests: Check
"""

FILE = """
file_name: Data
is_private: Check
file_type: Data
is_home_folder, is_attachments_folder: Check
file_size: Int
file_url: Code
folder: Data
is_folder: Check
attached_to_doctype: Link DocType
attached_to_name, attached_to_field: Data
content_hash: Data
uploaded_to_dropbox, uploaded_to_google_drive: Check
"""

ITEM_PRICE = """
item_code: Link Item; reqd
uom: Link UOM; reqd
packing_unit: Int
item_name: Data
brand: Link Brand
item_description: Text
price_list: Link Price List; reqd
customer: Link Customer
supplier, batch_no: Data
buying, selling: Check
currency: Link Currency
price_list_rate: Currency; reqd
valid_from: Date; default=today
lead_time_days: Int
valid_upto: Date
note: Text
reference: Data
"""

ADDRESS = """
address_title: Data
address_type: Select Billing|Shipping|Office|Personal|Plant|Postal|Shop|Subsidiary|Warehouse|Current|Permanent|Other; default=Billing; reqd
address_line1: Data; reqd; length=240
address_line2: Data; length=240
city: Data; reqd
county, state: Data
country: Link Country; reqd
pincode, email_id, phone, fax: Data
tax_category: Link Tax Category
is_primary_address, is_shipping_address, disabled, is_your_company_address: Check
links: Table Dynamic Link
"""

CONTACT = """
first_name, middle_name, last_name, full_name, email_id, user: Data
sync_with_google_contacts: Check
status: Select Passive|Open|Replied; default=Passive
salutation: Link Salutation
designation, department, image: Data
gender: Link Gender
address: Link Address
phone, mobile_no, company_name: Data
is_primary_contact, unsubscribed, is_billing_contact: Check
email_ids: Table Contact Email
phone_nos: Table Contact Phone
links: Table Dynamic Link
"""

OAUTH_CLIENT = """
client_id: Data
app_name: Data; reqd
user: Link User
client_secret: Data
skip_authorization: Check
scopes: Text; default=all openid
redirect_uris: Text
default_redirect_uri: Data; reqd
grant_type: Select Authorization Code|Implicit; default=Authorization Code
response_type: Select Code|Token; default=Code
allowed_roles: Table OAuth Client Role
"""

COMPANY = """
company_name: Data; reqd; unique
abbr: Data; reqd
country: Link Country
default_currency: Link Currency; reqd
default_receivable_account, default_income_account, default_expense_account, default_bank_account: Link Account
default_cash_account, round_off_account, stock_adjustment_account: Link Account
cost_center: Link Cost Center
"""

ACCOUNT = """
account_name: Data; reqd
account_number: Data
is_group: Check
company: Link Company; reqd
root_type: Select |Asset|Liability|Income|Expense|Equity
report_type: Data
account_currency: Link Currency
parent_account: Link Account
account_type: Data
tax_rate: Float
disabled: Check
"""

PLAIN_CHILDREN = (
    "Sales Team", "Portal User", "Allowed To Transact With", "Party Account", "Customer Credit Limit", "Item Tax",
    "Item Customer Detail", "Item Variant Attribute", "Item Reorder", "Item Supplier",
    "Pricing Rule Detail", "Packed Item", "Sales Invoice Advance", "Sales Invoice Timesheet", "Sales Invoice Payment",
    "Payment Entry Deduction", "Advance Taxes and Charges", "Landed Cost Taxes and Charges",
)  # fmt: skip
"""Child tables that are always empty here: they exist so that documents have the recorded keys."""


def _standard() -> Iterable[DocType]:
    yield _doctype("Customer", "title", CUSTOMER, title="customer_name")
    yield _tree("Customer Group", "customer_group_name")
    yield _tree("Territory", "territory_name")
    yield _tree("Item Group", "item_group_name")
    yield _doctype("Item", "field:item_code", ITEM, title="item_name")
    yield _doctype("Item Default", "hash", "company: Link Company\ndefault_warehouse: Link Warehouse", child=True)
    yield _doctype("UOM Conversion Detail", "hash", "uom: Link UOM\nconversion_factor: Float", child=True)
    yield _doctype(
        "UOM", "field:uom_name", "uom_name: Data; reqd; unique\nmust_be_whole_number: Check\nenabled: Check; default=1"
    )
    yield _doctype(
        "Currency",
        "field:currency_name",
        "currency_name: Data; reqd; unique\nenabled: Check\nfraction: Data\nfraction_units: Int\nsmallest_currency_fraction_value: Currency\nsymbol: Data",
    )
    yield _doctype(
        "Currency Exchange",
        "hash",
        "date: Date; reqd\nfrom_currency, to_currency: Link Currency; reqd\nexchange_rate: Float; reqd\nfor_buying, for_selling: Check; default=1",
    )
    yield _doctype(
        "Price List",
        "field:price_list_name",
        "price_list_name: Data; reqd; unique\ncurrency: Link Currency; reqd\nenabled: Check; default=1\nbuying, selling: Check",
    )
    yield _doctype(
        "Item Price",
        "hash",
        ITEM_PRICE,
    )
    yield _doctype(
        "Item Barcode",
        "hash",
        "barcode: Data; reqd\nbarcode_type: Select |EAN|UPC-A|EAN-13|EAN-8|GTIN|UPC\nuom: Link UOM",
        child=True,
    )
    yield _doctype("Country", "field:country_name", "country_name: Data; reqd; unique\ncode: Data")
    yield _doctype("Language", "field:language_code", "language_code: Data; reqd; unique\nlanguage_name: Data")
    yield _doctype("Gender", "field:gender", "gender: Data; reqd; unique")
    yield _doctype("Salutation", "field:salutation", "salutation: Data; reqd; unique")
    yield _doctype(
        "Mode of Payment",
        "field:mode_of_payment",
        "mode_of_payment: Data; reqd; unique\nenabled: Check; default=1\ntype: Data",
    )
    yield _doctype("Tax Category", "field:title", "title: Data; reqd; unique\ndisabled: Check")
    yield _doctype("Company", "field:company_name", COMPANY)
    yield _doctype("Account", "abbr:account_name", ACCOUNT)
    yield _doctype(
        "Warehouse",
        "abbr:warehouse_name",
        "warehouse_name: Data; reqd\nis_group: Check\nparent_warehouse: Link Warehouse\ncompany: Link Company; reqd\naccount: Link Account\ndisabled: Check",
    )
    yield _doctype(
        "Cost Center",
        "abbr:cost_center_name",
        "cost_center_name: Data; reqd\nparent_cost_center: Link Cost Center\ncompany: Link Company; reqd\nis_group, disabled: Check",
    )
    yield _doctype(
        "Fiscal Year",
        "field:year",
        "year: Data; reqd; unique\nyear_start_date, year_end_date: Date; reqd\ndisabled: Check",
    )
    yield _doctype("Sales Order", "series:SAL-ORD-.YYYY.-", SALES_ORDER, submittable=True, title="title")
    yield _doctype("Sales Order Item", "hash", SALES_ORDER_ITEM, child=True)
    yield _doctype("Sales Taxes and Charges", "hash", TAXES_AND_CHARGES, child=True)
    yield _doctype("Payment Schedule", "hash", PAYMENT_SCHEDULE, child=True)
    yield _doctype("Sales Invoice", "series:ACC-SINV-.YYYY.-", SALES_INVOICE, submittable=True, title="title")
    yield _doctype("Sales Invoice Item", "hash", SALES_INVOICE_ITEM, child=True)
    yield _doctype("Delivery Note", "series:MAT-DN-.YYYY.-", DELIVERY_NOTE, submittable=True, title="title")
    yield _doctype("Delivery Note Item", "hash", DELIVERY_NOTE_ITEM, child=True)
    yield _doctype("Payment Entry", "series:ACC-PAY-.YYYY.-", PAYMENT_ENTRY, submittable=True, title="title")
    yield _doctype("Payment Entry Reference", "hash", PAYMENT_ENTRY_REFERENCE, child=True)
    yield _doctype("GL Entry", "series:ACC-GLE-.YYYY.-", GL_ENTRY)
    yield _doctype("Stock Entry", "series:MAT-STE-.YYYY.-", STOCK_ENTRY, submittable=True)
    yield _doctype("Stock Entry Detail", "hash", STOCK_ENTRY_DETAIL, child=True)
    yield _doctype("Bin", "hash", BIN)
    yield _doctype("Stock Ledger Entry", "hash", STOCK_LEDGER_ENTRY, submittable=True)
    yield _doctype(
        "ToDo",
        "hash",
        "status: Select Open|Closed|Cancelled; default=Open\npriority: Select High|Medium|Low; default=Medium\ncolor: Data\ndate: Date; default=today\nallocated_to: Link User\ndescription: Text Editor; reqd\nreference_type: Link DocType\nreference_name: Dynamic Link reference_type",
    )
    yield _doctype(
        "Comment",
        "hash",
        "comment_type: Data; default=Comment\nreference_doctype: Link DocType\nreference_name: Dynamic Link reference_doctype\ncontent: HTML Editor",
    )
    yield _doctype("Custom Field", "custom_field", CUSTOM_FIELD)
    yield _doctype(
        "Deleted Document", "hash", "deleted_name, deleted_doctype: Data\nrestored: Check\nnew_name: Data\ndata: Code"
    )
    yield _doctype("Webhook", "prompt", WEBHOOK)
    yield _doctype("Webhook Data", "hash", "fieldname, key: Data; reqd", child=True)
    yield _doctype("Webhook Header", "hash", "key: Data\nvalue: Small Text", child=True)
    yield _doctype(
        "Webhook Request Log",
        "hash",
        "webhook: Link Webhook\nreference_document: Data\nheaders, data: Code\nuser: Data\nurl: Data; length=500\nresponse: Code\nerror: Text",
    )
    yield _doctype("System Settings", "single", SYSTEM_SETTINGS)
    yield _doctype(
        "Selling Settings",
        "single",
        "cust_master_name: Data; default=Customer Name\nselling_price_list: Link Price List; default=Standard Selling\nallow_against_multiple_purchase_orders: Check",
    )
    yield _doctype("Stock Settings", "single", "allow_negative_stock: Check")
    yield _doctype("File", "hash", FILE)
    yield _doctype("Address", "address", ADDRESS)
    yield _doctype("Contact", "contact", CONTACT)
    yield _doctype("Contact Email", "hash", "email_id: Data; reqd\nis_primary: Check", child=True)
    yield _doctype(
        "Contact Phone", "hash", "phone: Data; reqd\nis_primary_phone, is_primary_mobile_no: Check", child=True
    )
    yield _doctype(
        "Dynamic Link",
        "hash",
        "link_doctype: Link DocType; reqd\nlink_name: Dynamic Link link_doctype; reqd\nlink_title: Data",
        child=True,
    )
    yield _doctype(
        "User",
        "field:email",
        "email: Data; reqd; unique\nfirst_name, last_name, full_name: Data\nenabled: Check; default=1\ntime_zone, api_key: Data\napi_secret, password: Password; hidden\nallowed_doctypes: Small Text",
    )
    yield _doctype("OAuth Client", "hash", OAUTH_CLIENT)
    yield _doctype("OAuth Client Role", "hash", "role: Data", child=True)
    yield _doctype(
        "OAuth Bearer Token",
        "field:access_token",
        "client: Link OAuth Client\nuser: Link User\nscopes: Text\naccess_token: Data; unique\nrefresh_token: Data\nexpiration_time: Datetime\nexpires_in: Int\nstatus: Select Active|Revoked; default=Active",
    )
    yield _doctype(
        "OAuth Authorization Code",
        "field:authorization_code",
        "client: Link OAuth Client\nuser: Link User\nscopes: Text\nauthorization_code: Data; unique\nredirect_uri_bound_to_authorization_code: Data\nvalidity: Select Valid|Invalid; default=Valid",
    )
    for name in PLAIN_CHILDREN:
        yield _doctype(name, "hash", "", child=True)


STANDARD_DOCTYPES: dict[str, DocType] = {each.name: each for each in _standard()}
