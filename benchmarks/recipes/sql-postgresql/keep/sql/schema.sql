CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE sale (id INTEGER PRIMARY KEY, customer INTEGER, cents INTEGER);
CREATE INDEX sale_customer ON sale (customer, cents);
