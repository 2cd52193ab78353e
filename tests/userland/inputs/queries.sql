CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT NOT NULL, weight REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 800)
INSERT INTO word SELECT i, printf('w%03x', (i * 7919) % 4096), sin(i * 0.37) * i / 3.0 FROM n;
CREATE INDEX by_weight ON word (weight DESC);
SELECT count(*), sum(weight), avg(weight), min(weight), max(weight), total(weight * weight) FROM word;
SELECT text, round(weight, 4), printf('%.15g', weight / 7) FROM word ORDER BY weight DESC, id LIMIT 12;
SELECT substr(text, 1, 2) AS head, count(*), printf('%.12e', sum(weight)), group_concat(id, '+')
  FROM word WHERE id % 17 = 3 GROUP BY head ORDER BY head;
SELECT a.id, b.id, a.weight * b.weight FROM word a JOIN word b ON b.id = a.id * 3 WHERE a.weight > 20 ORDER BY 3 LIMIT 9;
SELECT id, sum(weight) OVER (ORDER BY id ROWS BETWEEN 5 PRECEDING AND CURRENT ROW), rank() OVER (ORDER BY text)
  FROM word WHERE id BETWEEN 100 AND 112;
SELECT 9223372036854775807 + 1, 7 / 2, -7 % 3, 1e308 * 10, 0.1 + 0.2, CAST('12.5e3xyz' AS REAL), 1 << 62, ~5;
SELECT hex(CAST(3.14159 AS TEXT)), quote(1.0 / 3), sqrt(2), pow(1.0001, 12345), log(2, 3), exp(1), acos(-1), ln(7);
SELECT json_extract('{"a":[1,2.5,{"b":"ü"}]}', '$.a[2].b'), json_group_array(id) FROM word WHERE id < 9;
DELETE FROM word WHERE weight < 0;
SELECT count(*), sum(id) FROM word;
PRAGMA integrity_check;
