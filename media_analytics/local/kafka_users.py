"""The users of the embedded event log and their rights.

Belongs here: creating them with the home's passwords. Does not belong here: what they may do (`migrations.access`), the
first users, which are written when a storage is formatted (`kafka`).
"""

from collections.abc import Iterable
from typing import Any

from media_analytics.errors import ServiceError
from media_analytics.local import kafka, kafka_security
from media_analytics.local.home import Home

_ITERATIONS = 4096
_TIMEOUT_SECONDS = 15.0


def apply(home: Home) -> None:
    """Bring users and rights in line with the home; a second call changes nothing.

    A plain log gets only the first users, and only once: with them it can be secured later.

    Raises:
        ServiceError: the event log does not answer or refuses.
    """
    if home.kafka.secure:
        from media_analytics.migrations import access

        _create(home, [user for user in kafka_security.users() if user not in kafka_security.FIRST_USERS])
        access.apply(kafka.address(home))
    elif not kafka.knows_first_users(home):
        _create(home, kafka_security.FIRST_USERS)
        kafka.remember_first_users(home)


def _create(home: Home, users: Iterable[str]) -> None:
    """Create users, or give them the password that the home has for them."""
    import confluent_kafka.admin
    from confluent_kafka import KafkaException

    # Its classes carry no types.
    module: Any = confluent_kafka.admin
    admin = module.AdminClient(kafka.address(home).client_config() | {"log_level": 3})
    made = module.ScramCredentialInfo(module.ScramMechanism.SCRAM_SHA_512, _ITERATIONS)
    wanted = [
        module.UserScramCredentialUpsertion(user, made, kafka_security.password(home, user).encode())
        for user in users
    ]
    try:
        answers = admin.alter_user_scram_credentials(wanted, request_timeout=_TIMEOUT_SECONDS)
        for future in answers.values():
            future.result()
    except KafkaException as error:
        raise ServiceError(
            f"the users of the event log could not be made: {error.args[0].str()}; see "
            "`media-analytics logs kafka`"
        ) from error
