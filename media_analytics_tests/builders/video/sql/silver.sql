-- Normalise, quarantine, deduplicate. From typed_<dataset>: the typed columns, `unparsed` (names of the columns whose
-- value did not parse, with commas), `file` (path inside the landing folder) and `line` (1 is the first).

-- Only an own key may not be blank: other blank texts are texts.
CREATE OR REPLACE MACRO clean(value) AS trim(value, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13));
CREATE OR REPLACE MACRO no_key(value) AS coalesce(clean(value), '') = '';
CREATE OR REPLACE MACRO utc_date(instant) AS make_timestamp(epoch_us(instant))::DATE;
CREATE OR REPLACE MACRO wrong_float(value) AS coalesce(isnan(value) OR isinf(value), false);

CREATE OR REPLACE VIEW judged_assets AS
SELECT
    clean(asset_id) AS asset_id, clean(title) AS title, lower(clean(asset_type)) AS asset_type,
    lower(clean(brand)) AS brand, lower(clean(section)) AS section,
    duration_seconds, published_at, is_premium, updated_at, file, line,
    concat_ws(
        ',',
        CASE WHEN no_key(asset_id) THEN 'key' END,
        CASE WHEN duration_seconds < 0 THEN 'negative' END,
        CASE WHEN unparsed <> '' THEN 'unparsed' END
    ) AS reasons
FROM typed_assets;

CREATE OR REPLACE VIEW judged_devices AS
SELECT
    clean(device_id) AS device_id,
    CASE
        WHEN lower(clean(device_type)) IN ('phone', 'smartphone', 'mobile', 'handset') THEN 'phone'
        WHEN lower(clean(device_type)) IN ('tablet', 'ipad') THEN 'tablet'
        WHEN lower(clean(device_type)) IN ('desktop', 'pc', 'laptop', 'web') THEN 'desktop'
        WHEN lower(clean(device_type)) IN ('tv', 'smart tv', 'smarttv', 'ctv', 'connected tv', 'stb') THEN 'tv'
        WHEN lower(clean(device_type)) IN ('console', 'game console') THEN 'console'
        ELSE 'other'
    END AS device_type,
    clean(platform) AS platform, clean(os) AS os, clean(os_version) AS os_version,
    clean(manufacturer) AS manufacturer, screen_width, screen_height, updated_at, file, line,
    concat_ws(
        ',',
        CASE WHEN no_key(device_id) THEN 'key' END,
        CASE WHEN screen_width < 0 OR screen_height < 0 THEN 'negative' END,
        CASE WHEN unparsed <> '' THEN 'unparsed' END
    ) AS reasons
FROM typed_devices;

CREATE OR REPLACE VIEW judged_geo AS
SELECT
    clean(geo_id) AS geo_id,
    CASE WHEN upper(clean(country_code)) IN (SELECT code FROM iso3166) THEN upper(clean(country_code)) ELSE 'ZZ' END
        AS country_code,
    clean(country) AS country, clean(region) AS region, clean(city) AS city, clean(timezone) AS timezone,
    updated_at, file, line,
    concat_ws(
        ',',
        CASE WHEN no_key(geo_id) THEN 'key' END,
        CASE WHEN unparsed <> '' THEN 'unparsed' END
    ) AS reasons
FROM typed_geo;

CREATE OR REPLACE VIEW judged_delivery AS
SELECT
    clean(delivery_id) AS delivery_id, date, requested_at,
    clean(asset_id) AS asset_id, clean(device_id) AS device_id, clean(geo_id) AS geo_id,
    lower(clean(cdn)) AS cdn, clean(edge_location) AS edge_location, lower(clean(protocol)) AS protocol, http_status,
    upper(clean(cache_status)) AS cache_status, bytes_sent, response_ms, startup_ms, played_ms, rebuffer_count,
    rebuffer_ms, bitrate_kbps, clean(error_code) AS error_code, file, line,
    concat_ws(
        ',',
        CASE WHEN no_key(delivery_id) THEN 'key' END,
        CASE WHEN date IS NULL OR requested_at IS NULL OR http_status IS NULL THEN 'null' END,
        CASE WHEN date <> utc_date(requested_at) THEN 'date' END,
        CASE
            WHEN http_status < 0 OR bytes_sent < 0 OR response_ms < 0 OR startup_ms < 0 OR played_ms < 0
                OR rebuffer_count < 0 OR rebuffer_ms < 0 OR bitrate_kbps < 0 THEN 'negative'
        END,
        CASE WHEN http_status NOT BETWEEN 100 AND 599 THEN 'status' END,
        CASE WHEN unparsed <> '' THEN 'unparsed' END
    ) AS reasons
FROM typed_delivery;

CREATE OR REPLACE VIEW judged_metrics AS
SELECT
    date, clean(asset_id) AS asset_id, clean(device_id) AS device_id, clean(geo_id) AS geo_id,
    impressions, plays, completions, watch_seconds, likes, shares, ad_revenue_eur, file, line,
    concat_ws(
        ',',
        CASE WHEN no_key(asset_id) OR no_key(device_id) OR no_key(geo_id) THEN 'key' END,
        CASE WHEN date IS NULL THEN 'null' END,
        CASE
            WHEN impressions < 0 OR plays < 0 OR completions < 0 OR watch_seconds < 0 OR likes < 0 OR shares < 0
                OR ad_revenue_eur < 0 THEN 'negative'
        END,
        CASE WHEN wrong_float(watch_seconds) OR wrong_float(ad_revenue_eur) THEN 'not a number' END,
        CASE WHEN completions > plays THEN 'completions' END,
        CASE WHEN unparsed <> '' THEN 'unparsed' END
    ) AS reasons
FROM typed_metrics;

CREATE OR REPLACE TABLE silver_assets AS
SELECT * EXCLUDE (file, line, reasons) FROM judged_assets WHERE reasons = ''
QUALIFY row_number() OVER (PARTITION BY asset_id ORDER BY updated_at DESC NULLS LAST, file DESC, line DESC) = 1;

CREATE OR REPLACE TABLE silver_devices AS
SELECT * EXCLUDE (file, line, reasons) FROM judged_devices WHERE reasons = ''
QUALIFY row_number() OVER (PARTITION BY device_id ORDER BY updated_at DESC NULLS LAST, file DESC, line DESC) = 1;

CREATE OR REPLACE TABLE silver_geo AS
SELECT * EXCLUDE (file, line, reasons) FROM judged_geo WHERE reasons = ''
QUALIFY row_number() OVER (PARTITION BY geo_id ORDER BY updated_at DESC NULLS LAST, file DESC, line DESC) = 1;

-- A delivery stands unless a better copy of it is dated at most 7 days before or after it.
CREATE OR REPLACE TABLE silver_delivery AS
WITH good AS (
    SELECT * EXCLUDE (reasons), coalesce(bytes_sent, -1) AS size FROM judged_delivery WHERE reasons = ''
),

copied AS (
    SELECT * FROM good
    WHERE delivery_id IN (SELECT delivery_id FROM good GROUP BY delivery_id HAVING count(*) > 1)
),

beaten AS (
    SELECT DISTINCT own.file, own.line
    FROM copied AS own
    INNER JOIN copied AS other
        ON
            own.delivery_id = other.delivery_id
            AND abs(other.date - own.date) <= 7
            AND (
                other.requested_at > own.requested_at
                OR (other.requested_at = own.requested_at AND other.size > own.size)
                OR (
                    other.requested_at = own.requested_at AND other.size = own.size
                    AND (other.file > own.file OR (other.file = own.file AND other.line > own.line))
                )
            )
)

SELECT good.* EXCLUDE (file, line, size)
FROM good
ANTI JOIN beaten ON good.file = beaten.file AND good.line = beaten.line;

CREATE OR REPLACE TABLE silver_metrics AS
SELECT * EXCLUDE (file, line, reasons) FROM judged_metrics WHERE reasons = ''
QUALIFY row_number() OVER (
    PARTITION BY date, asset_id, device_id, geo_id
    ORDER BY plays DESC NULLS LAST, watch_seconds DESC NULLS LAST, file DESC, line DESC
) = 1;
