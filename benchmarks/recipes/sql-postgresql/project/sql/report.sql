SELECT name, (SELECT sum(cents) FROM sale WHERE sale.customer = customer.id) AS total
FROM customer ORDER BY total DESC NULLS LAST, id LIMIT 10
