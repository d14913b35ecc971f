"""PostgreSQL and MariaDB, each as a server of the suite's own."""
