"""Tables of relational databases as sources and as destinations, whatever the database: a dialect says what differs."""
