-- Pages that people saw: no images, styles or scripts, no errors.
CREATE STREAMING TABLE silver.page_views
COMMENT 'successful page views'
PARTITIONED BY (date)
AS SELECT
  id,
  timestamp,
  client,
  regexp_extract(path, '^([^?#]*)', 1) AS page,
  status,
  bytes,
  referer,
  date
FROM STREAM bronze.access_log
WHERE method = 'GET'
  AND status < 400
  AND NOT path RLIKE '[.](gif|jpe?g|png|ico|css|js|svg|woff2?)([?]|$)';
