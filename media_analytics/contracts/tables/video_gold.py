"""Gold tables about video.

Belongs here: the five marts of one date; formulas stand in the column descriptions. Does not belong here: how they
are computed (`spark_jobs/transforms/video_gold.py`).

A row exists where metrics or delivery has one; the measures of the absent side are null.
"""

from pandera.pandas import DataFrameModel

from media_analytics.contracts.model import Daily, TableContract
from media_analytics.contracts.rules import (
    EARLIEST_DAY,
    LATEST_DAY,
    Day,
    Float64,
    Int64,
    Text,
    column,
    not_greater,
)
from media_analytics.contracts.tables.video_files import video_table
from media_analytics.contracts.tables.video_silver import DEVICE_TYPES

_STARTUP = "silver.delivery.startup_ms, silver.delivery.http_status"
_REBUFFER = "silver.delivery.rebuffer_ms, silver.delivery.played_ms"
_COMPLETION = "silver.metrics.completions, silver.metrics.plays"
_ASSET = "silver.metrics.asset_id, silver.delivery.asset_id"
_DEVICE = "silver.metrics.device_id, silver.delivery.device_id"
_GEO = "silver.metrics.geo_id, silver.delivery.geo_id"
_COUNTRY = r"^([A-Z][A-Z]|unknown)$"


def _plays() -> Int64:
    return column("Plays.", derived_from="silver.metrics.plays", nullable=True, ge=0)


def _completions() -> Int64:
    return column("Completions.", derived_from="silver.metrics.completions", nullable=True, ge=0)


def _impressions() -> Int64:
    return column("Impressions.", derived_from="silver.metrics.impressions", nullable=True, ge=0)


def _play_rate() -> Float64:
    return column(
        "plays / impressions.",
        derived_from="silver.metrics.plays, silver.metrics.impressions",
        nullable=True,
        ge=0,
    )


def _ad_revenue() -> Float64:
    return column(
        "Revenue of advertisements.", derived_from="silver.metrics.ad_revenue_eur", nullable=True, ge=0
    )


def _completion_rate() -> Float64:
    return column("completions / plays.", derived_from=_COMPLETION, nullable=True, ge=0)


def _watch_hours() -> Float64:
    return column("watch_seconds / 3600.", derived_from="silver.metrics.watch_seconds", nullable=True, ge=0)


def _requests() -> Int64:
    return column("Delivery requests.", derived_from="silver.delivery.delivery_id", nullable=True, ge=1)


def _error_rate() -> Float64:
    return column(
        "Requests with http_status >= 400 / requests.",
        derived_from="silver.delivery.http_status",
        nullable=True,
        ge=0,
        le=1,
    )


def _startup(share: str) -> Float64:
    what = f"{share} of startup_ms of requests below status 400, exact, linear interpolation."
    return column(what, derived_from=_STARTUP, nullable=True, ge=0)


def _response(share: str) -> Float64:
    what = f"{share} of response_ms, exact, linear interpolation."
    return column(what, derived_from="silver.delivery.response_ms", nullable=True, ge=0)


def _rebuffer_ratio() -> Float64:
    return column(
        "rebuffer_ms / (rebuffer_ms + played_ms).", derived_from=_REBUFFER, nullable=True, ge=0, le=1
    )


def _gigabytes() -> Float64:
    return column("bytes_sent / 1e9.", derived_from="silver.delivery.bytes_sent", nullable=True, ge=0)


def _share_of_plays() -> Float64:
    return column(
        "plays / all plays of the date.", derived_from="silver.metrics.plays", nullable=True, ge=0, le=1
    )


class Dated(DataFrameModel):
    """What every mart has."""

    date: Day = column(
        "UTC date.",
        derived_from="silver.metrics.date, silver.delivery.date",
        ge=EARLIEST_DAY,
        le=LATEST_DAY,
    )


class ExecutiveSummary(Dated):
    """Use, delivery and revenue of a date and brand."""

    brand: Text = column("The publication.", derived_from=f"silver.assets.brand, {_ASSET}")
    plays: Int64 = _plays()
    completions: Int64 = _completions()
    completion_rate: Float64 = _completion_rate()
    watch_hours: Float64 = _watch_hours()
    active_assets: Int64 = column(
        "Distinct assets with plays > 0.",
        derived_from="silver.metrics.asset_id, silver.metrics.plays",
        nullable=True,
        ge=0,
    )
    impressions: Int64 = _impressions()
    play_rate: Float64 = _play_rate()
    ad_revenue_eur: Float64 = _ad_revenue()
    requests: Int64 = _requests()
    gigabytes: Float64 = _gigabytes()
    error_rate: Float64 = _error_rate()
    startup_ms_p50: Float64 = _startup("Median")
    startup_ms_p95: Float64 = _startup("95th percentile")
    rebuffer_ratio: Float64 = _rebuffer_ratio()
    plays_change: Float64 = column(
        "plays / plays of the calendar day before - 1; null without one.",
        derived_from="silver.metrics.plays",
        nullable=True,
        ge=-1,
    )

    startup_in_order = not_greater("startup_ms_p50", "startup_ms_p95")

    class Config:
        """One row per date and brand."""

        strict = True
        unique = ("date", "brand")


class ContentPerformance(Dated):
    """Use of an asset on a date."""

    asset_id: Text = column("The asset; one without a catalogue row stays.", derived_from=_ASSET)
    brand: Text = column(
        "The publication; unknown without a catalogue row.", derived_from=f"silver.assets.brand, {_ASSET}"
    )
    title: Text = column("Title.", derived_from="silver.assets.title", nullable=True)
    section: Text = column("Section.", derived_from="silver.assets.section", nullable=True)
    plays: Int64 = _plays()
    completions: Int64 = _completions()
    completion_rate: Float64 = _completion_rate()
    watch_hours: Float64 = _watch_hours()
    impressions: Int64 = _impressions()
    play_rate: Float64 = _play_rate()
    ad_revenue_eur: Float64 = _ad_revenue()
    average_watch_seconds: Float64 = column(
        "watch_seconds / plays.",
        derived_from="silver.metrics.watch_seconds, silver.metrics.plays",
        nullable=True,
        ge=0,
    )
    watch_ratio: Float64 = column(
        "watch_seconds / (plays * duration_seconds).",
        derived_from="silver.metrics.watch_seconds, silver.metrics.plays, silver.assets.duration_seconds",
        nullable=True,
        ge=0,
    )
    rank: Int64 = column(
        "Place by watch_seconds within date and brand, 1 = most, ties by asset_id; without metrics last.",
        derived_from=f"silver.metrics.watch_seconds, silver.assets.brand, {_ASSET}",
        ge=1,
    )

    class Config:
        """One row per date and asset."""

        strict = True
        unique = ("date", "asset_id")


class DeliveryQuality(Dated):
    """Quality of delivery of a date, network and country."""

    date: Day = column("UTC date.", derived_from="silver.delivery.date", ge=EARLIEST_DAY, le=LATEST_DAY)
    cdn: Text = column("Content delivery network.", derived_from="silver.delivery.cdn")
    country_code: Text = column(
        "Country.",
        derived_from="silver.geo.country_code, silver.delivery.geo_id",
        str_matches=_COUNTRY,
    )
    requests: Int64 = column("Delivery requests.", derived_from="silver.delivery.delivery_id", ge=1)
    gigabytes: Float64 = _gigabytes()
    error_rate: Float64 = _error_rate()
    cache_hit_ratio: Float64 = column(
        "HIT / (HIT + MISS).", derived_from="silver.delivery.cache_status", nullable=True, ge=0, le=1
    )
    response_ms_p50: Float64 = _response("Median")
    response_ms_p95: Float64 = _response("95th percentile")
    response_ms_p99: Float64 = _response("99th percentile")
    startup_ms_p50: Float64 = _startup("Median")
    startup_ms_p95: Float64 = _startup("95th percentile")
    rebuffer_ratio: Float64 = _rebuffer_ratio()
    rebuffers_per_hour: Float64 = column(
        "rebuffer_count / played hours.",
        derived_from="silver.delivery.rebuffer_count, silver.delivery.played_ms",
        nullable=True,
        ge=0,
    )
    mean_bitrate_kbps: Float64 = column(
        "Mean of bitrate_kbps weighted by played_ms.",
        derived_from="silver.delivery.bitrate_kbps, silver.delivery.played_ms",
        nullable=True,
        ge=0,
    )
    throughput_mbps: Float64 = column(
        "bytes_sent * 8 / 1e6 / (sum of response_ms / 1000).",
        derived_from="silver.delivery.bytes_sent, silver.delivery.response_ms",
        nullable=True,
        ge=0,
    )

    response_in_order = not_greater("response_ms_p50", "response_ms_p95")
    startup_in_order = not_greater("startup_ms_p50", "startup_ms_p95")

    class Config:
        """One row per date, network and country."""

        strict = True
        unique = ("date", "cdn", "country_code")


class DeviceAnalytics(Dated):
    """Use and delivery of a date and kind of device."""

    device_type: Text = column(
        "Kind of device.",
        derived_from=f"silver.devices.device_type, {_DEVICE}",
        isin=(*DEVICE_TYPES, "unknown"),
    )
    platform: Text = column("Platform.", derived_from=f"silver.devices.platform, {_DEVICE}")
    os: Text = column("Operating system.", derived_from=f"silver.devices.os, {_DEVICE}")
    plays: Int64 = _plays()
    completion_rate: Float64 = _completion_rate()
    watch_hours: Float64 = _watch_hours()
    requests: Int64 = _requests()
    error_rate: Float64 = _error_rate()
    startup_ms_p95: Float64 = _startup("95th percentile")
    rebuffer_ratio: Float64 = _rebuffer_ratio()
    share_of_plays: Float64 = _share_of_plays()

    class Config:
        """One row per date, kind of device, platform and operating system."""

        strict = True
        unique = ("date", "device_type", "platform", "os")


class GeographicAnalytics(Dated):
    """Use and delivery of a date and place."""

    country_code: Text = column(
        "Country.", derived_from=f"silver.geo.country_code, {_GEO}", str_matches=_COUNTRY
    )
    region: Text = column("Region.", derived_from=f"silver.geo.region, {_GEO}")
    plays: Int64 = _plays()
    completion_rate: Float64 = _completion_rate()
    watch_hours: Float64 = _watch_hours()
    requests: Int64 = _requests()
    error_rate: Float64 = _error_rate()
    startup_ms_p95: Float64 = _startup("95th percentile")
    rebuffer_ratio: Float64 = _rebuffer_ratio()
    share_of_plays: Float64 = _share_of_plays()
    top_asset_id: Text = column(
        "Asset with most plays, ties by asset_id.",
        derived_from="silver.metrics.asset_id, silver.metrics.plays",
        nullable=True,
    )

    class Config:
        """One row per date, country and region."""

        strict = True
        unique = ("date", "country_code", "region")


def _gold(name: str, model: type[DataFrameModel]) -> TableContract:
    key = tuple(model.to_schema().unique or ())
    return video_table("gold", name, model, key, Daily("date", stored="date"))


CONTRACTS = (
    _gold("executive_summary", ExecutiveSummary),
    _gold("content_performance", ContentPerformance),
    _gold("delivery_quality", DeliveryQuality),
    _gold("device_analytics", DeviceAnalytics),
    _gold("geographic_analytics", GeographicAnalytics),
)
