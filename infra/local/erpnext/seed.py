"""What is in a new site before anybody writes to it: the company, its accounts and warehouses, and two users."""

from __future__ import annotations

from infra.local.erpnext import documents
from infra.local.erpnext.site import Site, Transaction

COMPANY = "Acme Test Inc"
ADMINISTRATOR = "Administrator"
PASSWORD = "admin"  # noqa: S105 - as recorded, of a made-up site
HUB = "hub@example.com"
LIMITED = "limited@example.com"
LIMITED_TOKEN = "limited-key:limited-secret"  # noqa: S105 - of a made-up user of a made-up site

CURRENCIES = {"USD": "$", "EUR": "€", "GBP": "£", "CAD": "$", "AUD": "$", "JPY": "¥", "INR": "₹", "CHF": "CHF"}
COUNTRIES = {
    "United States": "us", "Canada": "ca", "Germany": "de", "France": "fr", "United Kingdom": "gb", "India": "in",
    "Australia": "au", "Austria": "at", "Switzerland": "ch", "Netherlands": "nl", "Japan": "jp", "Spain": "es",
    "Italy": "it", "Belgium": "be", "Ireland": "ie", "New Zealand": "nz", "Mexico": "mx", "Brazil": "br",
}  # fmt: skip
TREES = {
    "Customer Group": (
        "customer_group_name",
        "All Customer Groups",
        ["Individual", "Commercial", "Non Profit", "Government"],
    ),
    "Territory": ("territory_name", "All Territories", ["United States", "Rest Of The World"]),
    "Item Group": (
        "item_group_name",
        "All Item Groups",
        ["Products", "Raw Material", "Services", "Sub Assemblies", "Consumable"],
    ),
}
ACCOUNTS = {
    "Debtors": ("Asset", "Receivable"),
    "Cash": ("Asset", "Cash"),
    "Main Bank": ("Asset", "Bank"),
    "Stock In Hand": ("Asset", "Stock"),
    "Creditors": ("Liability", "Payable"),
    "Sales Tax": ("Liability", "Tax"),
    "VAT": ("Liability", "Tax"),
    "Sales": ("Income", "Income Account"),
    "Freight and Forwarding Charges": ("Expense", "Chargeable"),
    "Cost of Goods Sold": ("Expense", "Cost of Goods Sold"),
    "Stock Adjustment": ("Expense", "Stock Adjustment"),
    "Round Off": ("Expense", "Round Off"),
    "Discounts": ("Expense", ""),
}
WAREHOUSES = ["Stores", "Finished Goods", "Work In Progress", "Goods In Transit"]


def seed(site: Site, token: str) -> None:
    """Make the seed data, when the database is empty."""
    if site.store.count("Company"):
        return
    with site.transaction("Administrator") as tx:
        _setup(tx)
        add_user(tx, HUB, token, first_name="hub")
        add_user(tx, LIMITED, LIMITED_TOKEN, first_name="limited", allowed_doctypes="ToDo")


def add_user(
    tx: Transaction, email: str, token: str, *, first_name: str = "", allowed_doctypes: str = "", password: str = ""
) -> None:
    """A user with an API key and secret; `allowed_doctypes` (comma-separated) limits what it may touch, empty does not."""
    key, _, secret = token.partition(":")
    values = {"doctype": "User", "email": email, "first_name": first_name, "full_name": first_name, "enabled": 1}
    values.update(api_key=key, api_secret=secret, allowed_doctypes=allowed_doctypes, time_zone=tx.site.clock.time_zone)
    documents.insert(tx, {**values, "password": password})


def _setup(tx: Transaction) -> None:
    def make(doctype: str, **values: object) -> None:
        documents.insert(tx, {"doctype": doctype, **values})

    make("Language", language_code="en", language_name="English")
    make("Language", language_code="de", language_name="Deutsch")
    for name, symbol in CURRENCIES.items():
        make(
            "Currency",
            currency_name=name,
            symbol=symbol,
            enabled=1,
            fraction="Cent",
            fraction_units=100,
            smallest_currency_fraction_value=0.01,
        )
    for name, code in COUNTRIES.items():
        make("Country", country_name=name, code=code)
    for uom, whole in (("Nos", 1), ("Unit", 1), ("Box", 1), ("Kg", 0), ("Meter", 0), ("Hour", 0)):
        make("UOM", uom_name=uom, must_be_whole_number=whole)
    for doctype, (key, root, names) in TREES.items():
        parent = f"parent_{doctype.lower().replace(' ', '_')}"
        make(doctype, **{key: root, "is_group": 1})
        for name in names:
            make(doctype, **{key: name, parent: root})
    for name, kind in (("Cash", "Cash"), ("Credit Card", "Bank"), ("Wire Transfer", "Bank")):
        make("Mode of Payment", mode_of_payment=name, type=kind)
    make("Price List", price_list_name="Standard Selling", currency="USD", selling=1)
    make("Company", company_name=COMPANY, abbr="ATI", default_currency="USD", country="United States")
    for account, (root, kind) in ACCOUNTS.items():
        make(
            "Account", account_name=account, company=COMPANY, root_type=root, account_type=kind, account_currency="USD"
        )
    for warehouse in WAREHOUSES:
        make("Warehouse", warehouse_name=warehouse, company=COMPANY)
    make("Cost Center", cost_center_name="Main", company=COMPANY)
    accounts = {
        "default_receivable_account": "Debtors", "default_income_account": "Sales", "default_bank_account": "Main Bank",
        "default_expense_account": "Cost of Goods Sold", "default_cash_account": "Cash", "round_off_account": "Round Off",
        "stock_adjustment_account": "Stock Adjustment",
    }  # fmt: skip
    changes = {field: f"{account} - ATI" for field, account in accounts.items()}
    documents.update(tx, "Company", COMPANY, {**changes, "cost_center": "Main - ATI"})
    this_year = int(tx.today()[:4])
    for year in range(this_year - 6, this_year + 4):
        make("Fiscal Year", year=str(year), year_start_date=f"{year}-01-01", year_end_date=f"{year}-12-31")
    make("System Settings", time_zone=tx.site.clock.time_zone)
    make("Selling Settings")
    make("Stock Settings")
    add_user(tx, ADMINISTRATOR, "administrator-key:administrator-secret", first_name=ADMINISTRATOR, password=PASSWORD)
    add_user(tx, "Guest", "", first_name="Guest")
    tx.events.clear()
