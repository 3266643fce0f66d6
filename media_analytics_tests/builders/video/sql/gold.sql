-- The five marts from silver. A measure is null when its side (metrics or delivery) has no row of the group, when there
-- is nothing to sum, and when its denominator is 0.
CREATE OR REPLACE MACRO ratio(above, below) AS above::DOUBLE / nullif(below, 0);
-- `quantile_cont` is exact with linear interpolation, over what is not null.

CREATE OR REPLACE TABLE used AS
SELECT
    metrics.*,
    coalesce(assets.brand, 'unknown') AS brand,
    coalesce(devices.device_type, 'unknown') AS device_type,
    coalesce(devices.platform, 'unknown') AS platform,
    coalesce(devices.os, 'unknown') AS os,
    coalesce(geo.country_code, 'unknown') AS country_code,
    coalesce(geo.region, 'unknown') AS region
FROM silver_metrics AS metrics
LEFT JOIN silver_assets AS assets USING (asset_id)
LEFT JOIN silver_devices AS devices USING (device_id)
LEFT JOIN silver_geo AS geo USING (geo_id);

CREATE OR REPLACE TABLE delivered AS
SELECT
    delivery.* EXCLUDE (asset_id, cdn),
    coalesce(delivery.asset_id, 'unknown') AS asset_id,
    coalesce(delivery.cdn, 'unknown') AS cdn,
    CASE WHEN http_status < 400 THEN startup_ms END::DOUBLE AS good_startup_ms,
    coalesce(assets.brand, 'unknown') AS brand,
    coalesce(devices.device_type, 'unknown') AS device_type,
    coalesce(devices.platform, 'unknown') AS platform,
    coalesce(devices.os, 'unknown') AS os,
    coalesce(geo.country_code, 'unknown') AS country_code,
    coalesce(geo.region, 'unknown') AS region
FROM silver_delivery AS delivery
LEFT JOIN silver_assets AS assets ON delivery.asset_id = assets.asset_id
LEFT JOIN silver_devices AS devices ON delivery.device_id = devices.device_id
LEFT JOIN silver_geo AS geo ON delivery.geo_id = geo.geo_id;

CREATE OR REPLACE TABLE gold_executive_summary AS
WITH of_metrics AS (
    SELECT
        date, brand,
        sum(plays)::BIGINT AS plays,
        sum(completions)::BIGINT AS completions,
        sum(watch_seconds) AS watch_seconds,
        count(DISTINCT asset_id) FILTER (WHERE plays > 0) AS active_assets,
        sum(impressions)::BIGINT AS impressions,
        sum(ad_revenue_eur) AS ad_revenue_eur
    FROM used
    GROUP BY date, brand
),

of_delivery AS (
    SELECT
        date, brand,
        count(*) AS requests,
        sum(bytes_sent) / 1e9 AS gigabytes,
        ratio(count(*) FILTER (WHERE http_status >= 400), count(*)) AS error_rate,
        quantile_cont(good_startup_ms, 0.5) AS startup_ms_p50,
        quantile_cont(good_startup_ms, 0.95) AS startup_ms_p95,
        ratio(sum(rebuffer_ms), sum(rebuffer_ms) + sum(played_ms)) AS rebuffer_ratio
    FROM delivered
    GROUP BY date, brand
)

SELECT
    date, brand, today.plays, today.completions,
    ratio(today.completions, today.plays) AS completion_rate,
    today.watch_seconds / 3600 AS watch_hours,
    today.active_assets, today.impressions,
    ratio(today.plays, today.impressions) AS play_rate,
    today.ad_revenue_eur, requests, gigabytes, error_rate, startup_ms_p50, startup_ms_p95, rebuffer_ratio,
    (
        SELECT ratio(today.plays, before.plays) - 1
        FROM of_metrics AS before
        WHERE before.brand = today.brand AND before.date = today.date - 1
    ) AS plays_change
FROM of_metrics AS today
FULL JOIN of_delivery USING (date, brand);

CREATE OR REPLACE TABLE gold_content_performance AS
WITH of_metrics AS (
    SELECT
        date, asset_id,
        sum(plays)::BIGINT AS plays,
        sum(completions)::BIGINT AS completions,
        sum(watch_seconds) AS watch_seconds,
        sum(impressions)::BIGINT AS impressions,
        sum(ad_revenue_eur) AS ad_revenue_eur
    FROM used
    GROUP BY date, asset_id
),

of_delivery AS (
    SELECT DISTINCT date, asset_id FROM delivered
),

both_sides AS (
    SELECT * FROM of_metrics
    FULL JOIN of_delivery USING (date, asset_id)
)

SELECT
    date, asset_id,
    coalesce(brand, 'unknown') AS brand,
    title, section, plays, completions,
    ratio(completions, plays) AS completion_rate,
    watch_seconds / 3600 AS watch_hours,
    impressions,
    ratio(plays, impressions) AS play_rate,
    ad_revenue_eur,
    ratio(watch_seconds, plays) AS average_watch_seconds,
    ratio(watch_seconds, plays * duration_seconds::BIGINT) AS watch_ratio,
    row_number() OVER (
        PARTITION BY date, coalesce(brand, 'unknown') ORDER BY watch_seconds DESC NULLS LAST, asset_id
    ) AS rank
FROM both_sides
LEFT JOIN silver_assets USING (asset_id);

CREATE OR REPLACE TABLE gold_delivery_quality AS
SELECT
    date, cdn, country_code,
    count(*) AS requests,
    sum(bytes_sent) / 1e9 AS gigabytes,
    ratio(count(*) FILTER (WHERE http_status >= 400), count(*)) AS error_rate,
    ratio(
        count(*) FILTER (WHERE cache_status = 'HIT'), count(*) FILTER (WHERE cache_status IN ('HIT', 'MISS'))
    ) AS cache_hit_ratio,
    quantile_cont(response_ms::DOUBLE, 0.5) AS response_ms_p50,
    quantile_cont(response_ms::DOUBLE, 0.95) AS response_ms_p95,
    quantile_cont(response_ms::DOUBLE, 0.99) AS response_ms_p99,
    quantile_cont(good_startup_ms, 0.5) AS startup_ms_p50,
    quantile_cont(good_startup_ms, 0.95) AS startup_ms_p95,
    ratio(sum(rebuffer_ms), sum(rebuffer_ms) + sum(played_ms)) AS rebuffer_ratio,
    ratio(sum(rebuffer_count), sum(played_ms) / 3.6e6) AS rebuffers_per_hour,
    ratio(
        sum(bitrate_kbps::DOUBLE * played_ms),
        sum(played_ms) FILTER (WHERE bitrate_kbps IS NOT NULL)
    ) AS mean_bitrate_kbps,
    ratio(sum(bytes_sent) * 8 / 1e6, sum(response_ms) / 1000) AS throughput_mbps
FROM delivered
GROUP BY date, cdn, country_code;

CREATE OR REPLACE TABLE gold_device_analytics AS
WITH of_metrics AS (
    SELECT
        date, device_type, platform, os,
        sum(plays)::BIGINT AS plays,
        sum(completions)::BIGINT AS completions,
        sum(watch_seconds) AS watch_seconds
    FROM used
    GROUP BY date, device_type, platform, os
),

of_delivery AS (
    SELECT
        date, device_type, platform, os,
        count(*) AS requests,
        ratio(count(*) FILTER (WHERE http_status >= 400), count(*)) AS error_rate,
        quantile_cont(good_startup_ms, 0.95) AS startup_ms_p95,
        ratio(sum(rebuffer_ms), sum(rebuffer_ms) + sum(played_ms)) AS rebuffer_ratio
    FROM delivered
    GROUP BY date, device_type, platform, os
)

SELECT
    date, device_type, platform, os, plays,
    ratio(completions, plays) AS completion_rate,
    watch_seconds / 3600 AS watch_hours,
    requests, error_rate, startup_ms_p95, rebuffer_ratio,
    ratio(plays, sum(plays) OVER (PARTITION BY date)) AS share_of_plays
FROM of_metrics
FULL JOIN of_delivery USING (date, device_type, platform, os);

CREATE OR REPLACE TABLE gold_geographic_analytics AS
WITH of_metrics AS (
    SELECT
        date, country_code, region,
        sum(plays)::BIGINT AS plays,
        sum(completions)::BIGINT AS completions,
        sum(watch_seconds) AS watch_seconds
    FROM used
    GROUP BY date, country_code, region
),

of_assets AS (
    SELECT date, country_code, region, asset_id, sum(plays) AS plays
    FROM used
    GROUP BY date, country_code, region, asset_id
    HAVING sum(plays) IS NOT NULL
),

most AS (
    SELECT date, country_code, region, asset_id AS top_asset_id
    FROM of_assets
    QUALIFY row_number() OVER (PARTITION BY date, country_code, region ORDER BY plays DESC, asset_id) = 1
),

of_delivery AS (
    SELECT
        date, country_code, region,
        count(*) AS requests,
        ratio(count(*) FILTER (WHERE http_status >= 400), count(*)) AS error_rate,
        quantile_cont(good_startup_ms, 0.95) AS startup_ms_p95,
        ratio(sum(rebuffer_ms), sum(rebuffer_ms) + sum(played_ms)) AS rebuffer_ratio
    FROM delivered
    GROUP BY date, country_code, region
)

SELECT
    date, country_code, region, plays,
    ratio(completions, plays) AS completion_rate,
    watch_seconds / 3600 AS watch_hours,
    requests, error_rate, startup_ms_p95, rebuffer_ratio,
    ratio(plays, sum(plays) OVER (PARTITION BY date)) AS share_of_plays,
    top_asset_id
FROM of_metrics
FULL JOIN of_delivery USING (date, country_code, region)
LEFT JOIN most USING (date, country_code, region);
