CREATE MATERIALIZED VIEW gold.views_per_minute
COMMENT 'views and visitors of each page, by minute'
AS SELECT
  window(timestamp, '1 minute').start AS minute,
  page,
  count(*) AS views,
  count(DISTINCT client) AS visitors,
  CAST(sum(bytes) AS BIGINT) AS bytes
FROM silver.page_views
GROUP BY window(timestamp, '1 minute').start, page;
