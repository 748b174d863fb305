-- The retailer's macros: see generate.py for what the rows look like.

-- A number in [0, 1) that depends on the counter, what it is for, and the seed alone.
CREATE OR REPLACE TEMP MACRO uniform(counter, purpose, seed) AS
    hash(counter, purpose, seed) / 18446744073709551616.0::DOUBLE;

-- 48271 is a prime: ranks are shuffled over the ids, so that ids say nothing about activity.
CREATE OR REPLACE TEMP MACRO customer_name(rank, customers, long_ids) AS
    CASE WHEN long_ids THEN '5b1c9e70-3d52-4f0a-9a1e-' ELSE 'C-' END
    || lpad(((rank * 48271) % customers)::VARCHAR, CASE WHEN long_ids THEN 12 ELSE 7 END, '0');

CREATE OR REPLACE TEMP MACRO order_name(number, long_ids) AS
    CASE WHEN long_ids THEN '0f7e2a44-91b6-4c1d-8d3b-' ELSE 'T-' END
    || lpad(number::VARCHAR, CASE WHEN long_ids THEN 12 ELSE 9 END, '0');

-- The first orders of a day bring each customer of that day's turn in once, so that nobody is left
-- out; the others come from the most active 60 %, three quarters of them from the first 20 %.
CREATE OR REPLACE TEMP MACRO customer_rank(place, number, day, days, customers, seed) AS
    CASE
        WHEN day + days * place < customers THEN day + days * place
        WHEN uniform(number, 'fifth', seed) < 0.75
            THEN floor(customers * 0.2 * uniform(number, 'whale', seed) ** 1.5)::BIGINT
        ELSE floor(customers * 0.6 * uniform(number, 'buyer', seed))::BIGINT
    END;

-- 500 shelves of 40 products. Half of the orders are habit: from the customer's three favourite
-- shelves, beginning at the same product each time. The lines of an order (at most 32) walk along the
-- 40 places of a shelf, so that no product stands twice in an order.
CREATE OR REPLACE TEMP MACRO product_number(line, number, position, rank, seed) AS
    CASE
        WHEN hash(number, 'habit', seed) % 2 = 0
            THEN 40 * floor(500 * uniform(rank * 3 + line % 3, 'favourite', seed) ** 3)::BIGINT
                + ((hash(rank, 'place', seed) % 40)::BIGINT + position) % 40
        ELSE 40 * floor(500 * uniform(line, 'shelf', seed) ** 3)::BIGINT
            + ((hash(number, 'place', seed) % 40)::BIGINT + position) % 40
    END;

CREATE OR REPLACE TEMP MACRO amount_of(product, line, seed) AS
    ((49 + floor(-ln(1 - uniform(product, 'price', 0)) * 700)::BIGINT)
     * (1 + floor(3 * uniform(line, 'quantity', seed) ** 4)::BIGINT) / 100.0)::DECIMAL(18, 2);

-- A line begins an order with probability 1/4, and at every 32nd line of the day.
CREATE OR REPLACE TEMP MACRO new_lines(today, day, days, first, last, customers, late_share, long_ids, seed)
AS TABLE
    WITH begun AS (
        SELECT line, line = first OR (line - first) % 32 = 0 OR hash(line, 'order', seed) % 4 = 0 AS begins
        FROM range(first, last) t(line)
    ),
    ordered AS (
        SELECT
            line,
            sum(begins::BIGINT) OVER earlier::BIGINT - 1 AS place,
            line - max(CASE WHEN begins THEN line END) OVER earlier AS position
        FROM begun
        WINDOW earlier AS (ORDER BY line ROWS UNBOUNDED PRECEDING)
    ),
    numbered AS (
        SELECT
            line,
            first + place AS number,
            position,
            customer_rank(place, first + place, day, days, customers, seed) AS rank
        FROM ordered
    ),
    picked AS (SELECT *, product_number(line, number, position, rank, seed) AS product FROM numbered)
    SELECT
        line,
        customer_name(rank, customers, long_ids) AS customer_id,
        order_name(number, long_ids) AS transaction_id,
        CASE
            WHEN uniform(number, 'late', seed) < late_share
                THEN today - (1 + least(day, hash(number, 'days', seed) % 14))::INT
            ELSE today
        END AS date,
        amount_of(product, line, seed) AS amount,
        'P-' || lpad(product::VARCHAR, 5, '0') AS product_id
    FROM picked
    ORDER BY line;
