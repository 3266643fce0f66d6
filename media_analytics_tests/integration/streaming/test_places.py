"""The address database that the stack fetches."""

import pytest

from media_analytics_tests.services.embedded import Embedded
from streaming.enricher.addresses import NOWHERE, Places

pytestmark = pytest.mark.integration


def test_places_of_known_addresses(embedded: Embedded) -> None:
    with Places(embedded.settings.enrichment.geo_database) as places:
        google = places.find("8.8.8.8")
        assert (google.truncated, google.country, google.region) == ("8.8.8.0", "US", None)
        assert google.network is not None
        six = places.find("2001:4860:4860::8888")
        assert (six.truncated, six.country) == ("2001:4860:4860::", "US")
        assert places.find("10.1.2.3")._asdict() == NOWHERE._asdict() | {"truncated": "10.1.2.0"}
        assert places.find(None) == NOWHERE
