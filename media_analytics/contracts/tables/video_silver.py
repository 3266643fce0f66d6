"""Video files cleaned: one row of each asset, device, place, delivery request and daily use (silver).

Belongs here: what a good row is. Does not belong here: rows as they were (`video_raw.py`), cleaning
(`spark_jobs/transforms/video_files.py`), marts (`video_gold.py`).
"""

from media_analytics.contracts.rules import (
    EARLIEST_DAY,
    LATEST_DAY,
    Bool,
    Day,
    Float64,
    Instant,
    Int32,
    Int64,
    Text,
    column,
    not_greater,
)
from media_analytics.contracts.tables.video_raw import Row

DEVICE_TYPES = ("phone", "tablet", "desktop", "tv", "console", "other")
COUNTRY = r"^[A-Z][A-Z]$"


class Asset(Row):
    """An asset, as its latest good version says it."""

    asset_id: Text = column("The asset.", str_length={"min_value": 1})
    title: Text = column("Title.", nullable=True)
    asset_type: Text = column("What kind of asset it is, lower case.", nullable=True)
    brand: Text = column("The publication, lower case.", nullable=True)
    section: Text = column("Section of the brand, lower case.", nullable=True)
    duration_seconds: Int32 = column("Length.", nullable=True, ge=0)
    published_at: Instant = column("When it was published.", nullable=True)
    is_premium: Bool = column("Whether it is for subscribers only.", nullable=True)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)

    class Config:
        """One row per asset id."""

        strict = True
        unique = ("asset_id",)


class Device(Row):
    """A device, as its latest good version says it."""

    device_id: Text = column("The device.", str_length={"min_value": 1})
    device_type: Text = column("What kind of device it is.", isin=DEVICE_TYPES)
    platform: Text = column("Player or app platform.", nullable=True)
    os: Text = column("Operating system.", nullable=True)
    os_version: Text = column("Its version.", nullable=True)
    manufacturer: Text = column("Who made it.", nullable=True)
    screen_width: Int32 = column("Pixels.", nullable=True, ge=0)
    screen_height: Int32 = column("Pixels.", nullable=True, ge=0)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)

    class Config:
        """One row per device id."""

        strict = True
        unique = ("device_id",)


class Geo(Row):
    """A place, as its latest good version says it."""

    geo_id: Text = column("The place.", str_length={"min_value": 1})
    country_code: Text = column("Country, ISO 3166 alpha-2; ZZ when it is none of them.", str_matches=COUNTRY)
    country: Text = column("Name of the country.", nullable=True)
    region: Text = column("Region.", nullable=True)
    city: Text = column("City.", nullable=True)
    timezone: Text = column("Time zone.", nullable=True)
    updated_at: Instant = column("When the catalogue changed it.", nullable=True)

    class Config:
        """One row per geo id."""

        strict = True
        unique = ("geo_id",)


class Delivery(Row):
    """A delivery request, once."""

    delivery_id: Text = column("The request.", str_length={"min_value": 1})
    date: Day = column("UTC date of the request.", ge=EARLIEST_DAY, le=LATEST_DAY)
    requested_at: Instant = column("When it was requested.")
    asset_id: Text = column("The asset.", nullable=True)
    device_id: Text = column("The device.", nullable=True)
    geo_id: Text = column("The place.", nullable=True)
    cdn: Text = column("Content delivery network, lower case.", nullable=True)
    edge_location: Text = column("Edge that answered.", nullable=True)
    protocol: Text = column("Streaming protocol, lower case.", nullable=True)
    http_status: Int32 = column("HTTP status of the answer.", ge=100, le=599)
    cache_status: Text = column("What the edge's cache did, upper case.", nullable=True)
    bytes_sent: Int64 = column("Bytes of the answer.", nullable=True, ge=0)
    response_ms: Int32 = column("Time to the answer.", nullable=True, ge=0)
    startup_ms: Int32 = column("Time to the first picture.", nullable=True, ge=0)
    played_ms: Int64 = column("Time played.", nullable=True, ge=0)
    rebuffer_count: Int32 = column("Interruptions.", nullable=True, ge=0)
    rebuffer_ms: Int64 = column("Time interrupted.", nullable=True, ge=0)
    bitrate_kbps: Int32 = column("Bit rate.", nullable=True, ge=0)
    error_code: Text = column("Error of the player.", nullable=True)

    class Config:
        """One row per delivery id among requests at most 7 days apart."""

        strict = True
        unique = ("date", "delivery_id")


class Metrics(Row):
    """The use of an asset on a device at a place on a date, once."""

    date: Day = column("UTC date.", ge=EARLIEST_DAY, le=LATEST_DAY)
    asset_id: Text = column("The asset.", str_length={"min_value": 1})
    device_id: Text = column("The device.", str_length={"min_value": 1})
    geo_id: Text = column("The place.", str_length={"min_value": 1})
    impressions: Int64 = column("Times it was shown.", nullable=True, ge=0)
    plays: Int64 = column("Times it was started.", nullable=True, ge=0)
    completions: Int64 = column("Times it was played to the end.", nullable=True, ge=0)
    watch_seconds: Float64 = column("Time watched.", nullable=True, ge=0)
    likes: Int64 = column("Likes.", nullable=True, ge=0)
    shares: Int64 = column("Shares.", nullable=True, ge=0)
    ad_revenue_eur: Float64 = column("Revenue of advertisements.", nullable=True, ge=0)

    completions_are_plays = not_greater("completions", "plays")

    class Config:
        """One row per date, asset, device and place."""

        strict = True
        unique = ("date", "asset_id", "device_id", "geo_id")
