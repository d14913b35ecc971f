"""The ERPNext stand-in: a small HTTP server that answers as a real ERPNext v15 was recorded to answer.

For development and tests only; it is never deployed. The recordings are in `tests/recordings/erpnext`, and
`tests/local/erpnext` replays each of them against this server: status, exc_type, envelope, and every key of every document.

Beyond the recordings, imitated from ERPNext's and MariaDB's published rules, so rely on none of it without trying it on a
real site: taxes, discounts and other currencies (`money`); disabled customers and items, whole-number units, quantities of
zero (`selling`); partial payments, rounding differences and the progress of orders (`accounting`, `selling`); accents, which
utf8mb4_unicode_ci ignores as it ignores case (`store`); `status` that stays Draft in the database when an order is created
and submitted in one call (recorded for the answer only); on_change for documents that another one's submission changes;
the order of lists without order_by; which of several linking documents a LinkExistsError names; checks on amending; the
answer to a PUT on a submitted document that adds, removes or replaces rows; the names of Addresses and Contacts.

Narrower than a real site: on submitted documents only `po_no` and custom fields with allow_on_submit may change, since no
other was recorded. The race for the first Bin is told by a fault, it does not happen by itself. One request at a time
works on the documents; what a request sees of names is decided when it arrives.
"""
