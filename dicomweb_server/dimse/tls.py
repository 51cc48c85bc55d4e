"""DICOM over TLS: the secure transport connection profiles of PS3.15 §B.12 (BCP 195), TLS 1.2 with
forward secrecy and authenticated encryption or TLS 1.3."""

import ssl

from dicomweb_server.config import Config, ConfigError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM"


def server_context(config: Config) -> ssl.SSLContext:
    """For accepting. With authorities configured, callers must show a certificate of theirs.
    Raises ConfigError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _prepare(context, config)
    if config.dimse_tls_authorities:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(config: Config) -> ssl.SSLContext:
    """For asking: trusts the configured authorities, else those of the system, and shows our
    certificate when there is one. Raises ConfigError."""
    context = ssl.create_default_context()
    _prepare(context, config)
    return context


def _prepare(context: ssl.SSLContext, config: Config) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    if config.dimse_tls_certificate:
        try:
            context.load_cert_chain(config.dimse_tls_certificate, config.dimse_tls_key or None)
        except OSError as error:
            raise ConfigError(
                "dimse_tls_certificate", str(error), origin=config.dimse_tls_certificate
            ) from error
    elif context.protocol == ssl.PROTOCOL_TLS_SERVER:
        raise ConfigError(
            "dimse_tls_certificate", "is needed for dimse_tls_port", origin="configuration"
        )
    if config.dimse_tls_authorities:
        try:
            context.load_verify_locations(config.dimse_tls_authorities)
        except OSError as error:
            raise ConfigError(
                "dimse_tls_authorities", str(error), origin=config.dimse_tls_authorities
            ) from error
