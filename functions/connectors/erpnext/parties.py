"""What happens to a customer beside being written: an address to write to, an end, a merger, and being forgotten."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.erpnext.attachments import payload_prefix
from connectors.erpnext.client import AlreadyThere, ChangedMeanwhile, Declined, Document, ErpNext, Filter, Missing
from connectors.erpnext.documents import (
    ID_FIELD,
    LOOK_AGAIN,
    REDACTED,
    TRIES,
    VERSION_FIELD,
    Documents,
    external_id,
    same,
)
from connectors.erpnext.mapping import NAME_CHARS, printable
from hub.connector import Effect, Written
from hub.errors import Parked, Temporary
from hub.events import Event
from hub.records import Customer, Deletion, Merge, Redaction

UNUSABLE_ADDRESS = {"InvalidEmailAddressError", "CharacterLengthExceededError", "DataTooLongException"}
NOTHING = ""  # an empty field, as a PUT says it
SAID_OF_CUSTOMER = (
    "customer_primary_contact",
    "customer_primary_address",
    "primary_address",
    "email_id",
    "mobile_no",
    "first_name",
    "last_name",
    "tax_id",
    "website",
    "image",
    "customer_details",
    "salutation",
    "gender",
)
SAID_OF_CONTACT = (
    "middle_name",
    "last_name",
    "company_name",
    "designation",
    "department",
    "salutation",
    "gender",
    "image",
    "user",
    "address",
)
SAID_OF_ADDRESS = ("address_line2", "county", "state", "pincode", "email_id", "phone", "fax")
MANDATORY_OF_ADDRESS = ("address_line1", "city")  # ERPNext refuses an address without them


class Parties:
    """Customers of one ERPNext site, and what hangs on them."""

    def __init__(self, erp: ErpNext, documents: Documents) -> None:
        self._erp = erp
        self._documents = documents

    def write_contact(
        self, customer: Customer, event: Event, name: str, *, only_new: bool = False
    ) -> tuple[Effect, str]:
        """Have the Customer `name` bear the source's e-mail address, by a Contact of its own; gives the effect and why an
        address is left out.

        ERPNext's Customer copies the address from its primary Contact. The hub's Contact becomes that one where there is
        none; further addresses, telephone numbers and Contacts are the desk users' own. A source that states no address
        takes none away.
        """
        if not customer.email:
            return Effect.UNCHANGED, ""
        for _ in range(TRIES):
            try:
                return self._contact_written(customer, event, name, only_new), ""
            except LOOK_AGAIN as error:
                clash = error
            except Declined as error:
                if error.exc_type in UNUSABLE_ADDRESS:
                    return Effect.UNCHANGED, f"without e-mail address, which ERPNext refuses ({error.exc_type})"
                raise
        raise Temporary(f"the Contact of Customer {name} keeps being changed while it is written: {clash}")

    def _contact_written(self, customer: Customer, event: Event, name: str, only_new: bool) -> Effect:
        key = external_id(event.integration, "contact", customer.id)
        found = self._documents.rows("Contact", [[ID_FIELD, "=", key]], ["name", "email_id", "first_name"])
        # a Contact's name is its own first name, a hyphen and the Customer's name: together they must fit
        first_name = printable(customer.name)[: max(1, NAME_CHARS - 1 - len(name))].strip()
        if not found:
            contact = self._erp.insert(
                "Contact",
                {
                    "first_name": first_name,
                    "email_ids": [{"email_id": customer.email, "is_primary": 1}],
                    "links": [{"link_doctype": "Customer", "link_name": name}],
                    ID_FIELD: key,
                },
            )
            effect, contact_name = Effect.APPLIED, str(contact["name"])
        else:
            contact_name = str(found[0]["name"])
            says = only_new or (_same_address(found[0], customer.email) and same(found[0]["first_name"], first_name))
            effect = Effect.UNCHANGED if says else Effect.APPLIED
            if not says:
                self._change_contact(contact_name, customer.email, first_name)
        [party] = self._erp.find("Customer", [["name", "=", name]], ["customer_primary_contact", "email_id"]) or [{}]
        primary = party.get("customer_primary_contact") or contact_name
        if primary == contact_name and not _same_address(party, customer.email):
            # ERPNext copies the address when the Customer is saved
            self._erp.update("Customer", name, {"customer_primary_contact": contact_name})
            effect = Effect.APPLIED
        return effect

    def _change_contact(self, name: str, email: str, first_name: str) -> None:
        contact = self._erp.get("Contact", name)
        if contact is None:
            raise Missing("DoesNotExistError", f"Contact {name} is gone")
        others = [
            {**row, "is_primary": 0}
            for row in contact["email_ids"]
            if not row["is_primary"] and not _same_address(row, email)
        ]
        emails = [{"email_id": email, "is_primary": 1}, *others]
        changes = {"first_name": first_name, "email_ids": emails, "modified": contact["modified"]}
        self._erp.update("Contact", name, changes)

    def disable(self, deletion: Deletion, event: Event, _known_name: str) -> Written:
        """A customer deleted at the source is disabled: ERPNext deletes none that documents name."""
        found = self._found(event.integration, deletion.id, ["disabled"])
        if found is None:
            return Written(Effect.IGNORED, rule="deleted before ERPNext knew of it")
        if found["disabled"]:
            return Written(Effect.UNCHANGED, "Customer", found["name"])
        self._erp.update("Customer", found["name"], {"disabled": 1})
        return Written(Effect.APPLIED, "Customer", found["name"])

    def merge(self, merge: Merge, event: Event, _known_name: str) -> Written:
        """Two customers of the source became one: ERPNext hands the documents of the gone one to the kept one.

        Raises Parked while only the gone one is there: the kept one's own event makes it.
        """
        gone = self._found(event.integration, merge.gone_id)
        kept = self._found(event.integration, merge.kept_id, ["customer_name"])
        if gone is None:
            effect = Effect.UNCHANGED if kept else Effect.IGNORED
            name = kept["name"] if kept else ""
            return Written(effect, "Customer" if kept else "", name, "ERPNext has no customer to merge, or no longer")
        if kept is None:
            raise Parked(
                f"customer {merge.gone_id} was merged into {merge.kept_id}, which ERPNext does not have yet",
                waits_for=f"{event.integration}/customer/{merge.kept_id}",
            )
        try:
            self._erp.rename("Customer", gone["name"], kept["name"], merge=True)
        except (AlreadyThere, ChangedMeanwhile, Missing) as error:
            raise Temporary(
                f"Customer {gone['name']} or {kept['name']} changed while they were merged: {error}"
            ) from error
        if not same(kept["customer_name"], kept["name"]):
            # where customers are named by their names, ERPNext calls a merged one by its document's name again
            self._erp.update("Customer", kept["name"], {"customer_name": kept["customer_name"]})
        return Written(Effect.APPLIED, "Customer", kept["name"])

    def redact(self, redaction: Redaction, event: Event, _known_name: str) -> Written:
        """Erase a person's data from the Customer and from the Contacts and Addresses that are theirs alone.

        The Customer is marked first, so that no later event brings anything back; every step can be repeated.
        """
        found = self._found(event.integration, redaction.customer_id)
        if found is None:
            return Written(Effect.IGNORED, rule="ERPNext does not know the customer")
        name = str(found["name"])
        alias = printable(f"Redacted {event.integration} {redaction.customer_id}")
        customer = self._erp.get("Customer", name) or {}
        blank = {**dict.fromkeys(SAID_OF_CUSTOMER, NOTHING), VERSION_FIELD: REDACTED}
        if not str(customer.get("customer_name")).startswith(alias):
            blank["customer_name"] = alias
        wrote = self._blank("Customer", customer, blank)
        left = []
        for contact in self._linked("Contact", name):
            if _belongs_to_others(contact, name):
                left.append(contact["name"])
                continue
            tables: dict[str, Any] = {"email_ids": [], "phone_nos": []}
            blank = {**dict.fromkeys(SAID_OF_CONTACT, NOTHING), "first_name": alias, **tables}
            wrote |= self._blank("Contact", contact, blank) | self._rename("Contact", contact["name"], alias)
        for address in self._linked("Address", name):
            if _belongs_to_others(address, name):
                left.append(address["name"])
                continue
            blank = {**dict.fromkeys(SAID_OF_ADDRESS, NOTHING), **dict.fromkeys(MANDATORY_OF_ADDRESS, "-")}
            wrote |= self._blank("Address", address, {**blank, "address_title": alias})
            wrote |= self._rename("Address", address["name"], alias)
        wrote |= self._drop_payloads(event.integration, name)
        if not _is_number(name, customer):
            wrote |= self._rename("Customer", name, alias)
            name = alias
        rule = f"left as they were, since others use them too: {', '.join(left)}" if left else ""
        return Written(Effect.APPLIED if wrote else Effect.UNCHANGED, "Customer", name, rule)

    def _found(self, integration: str, customer_id: str, fields: Sequence[str] = ()) -> Document | None:
        key = external_id(integration, "customer", customer_id)
        found = self._documents.rows("Customer", [[ID_FIELD, "=", key]], ["name", *fields])
        return found[0] if found else None

    def _linked(self, doctype: str, customer: str) -> list[Document]:
        links = [["Dynamic Link", "link_doctype", "=", "Customer"], ["Dynamic Link", "link_name", "=", customer]]
        names = {str(row["name"]) for row in self._erp.find(doctype, links, ["name"])}
        return [document for name in sorted(names) if (document := self._erp.get(doctype, name))]

    def _blank(self, doctype: str, document: Document, blank: Mapping[str, Any]) -> bool:
        changes = {field: value for field, value in blank.items() if not same(value, document.get(field))}
        if changes:
            self._erp.update(doctype, document["name"], changes)
        return bool(changes)

    def _rename(self, doctype: str, name: str, alias: str) -> bool:
        if name.startswith(alias):
            return False
        taken = {row["name"] for row in self._erp.find(doctype, [["name", "like", f"{alias}%"]], ["name"])}
        free = next(
            new for number in range(len(taken) + 1) if (new := f"{alias}-{number}" if number else alias) not in taken
        )
        self._erp.rename(doctype, name, free)
        return True

    def _drop_payloads(self, integration: str, customer: str) -> bool:
        orders = [row["name"] for row in self._erp.find("Sales Order", [["customer", "=", customer]], ["name"])]
        if not orders:
            return False
        attached: list[Filter] = [["attached_to_doctype", "=", "Sales Order"], ["attached_to_name", "in", orders]]
        ours = ["file_name", "like", f"{payload_prefix(integration, 'order')}%"]
        files = self._erp.find("File", [*attached, ours], ["name"])
        for file in files:
            self._erp.delete("File", file["name"])
        return bool(files)


def _same_address(row: Mapping[str, Any], email: str) -> bool:
    return str(row.get("email_id") or "").strip().casefold() == email.casefold()


def _belongs_to_others(document: Document, customer: str) -> bool:
    return any((link["link_doctype"], link["link_name"]) != ("Customer", customer) for link in document["links"])


def _is_number(name: str, customer: Mapping[str, Any]) -> bool:
    """Whether a Customer's name is a number of its naming series and so says nothing of the person."""
    prefix = str(customer.get("naming_series") or "").partition(".")[0]
    return bool(prefix) and re.fullmatch(re.escape(prefix) + r"[\d-]*\d", name) is not None
