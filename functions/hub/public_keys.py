"""Public keys and certificates that providers sign with: read from PEM or base64, and asked whether a signature is
theirs.

`cryptography` is imported where it is needed: most integrations verify by HMAC, and a cold start has seconds at most.
"""

import base64
import binascii
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from hub.errors import BadSignature

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
    from cryptography.x509 import Certificate

RsaHash = Literal["sha1", "sha256"]


def public_key(text: str) -> "PublicKeyTypes | None":
    """The key in a PEM, or in base64 of its SubjectPublicKeyInfo, as SendGrid shows it; None where it holds none."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

    try:
        if "-----BEGIN" in text:
            return load_pem_public_key(text.encode("utf-8"))
        return load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return None


def certificates(pem: bytes) -> "list[Certificate]":
    """The certificates of a PEM, the signer's first; raises BadSignature where there is none."""
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(pem)
    except ValueError as error:
        raise BadSignature("what stands at the certificate's URL is no certificate") from error


def check_certificate(chain: "list[Certificate]", domain: str, now: float) -> None:
    """Raise BadSignature unless the first certificate is valid at `now` (Unix seconds), names `domain` or a name below
    it, and each one is issued by the next.

    That the last one leads to a root that we trust is not checked here: the file came over TLS from the provider's own
    host, whose certificate was.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509.oid import NameOID

    signer = chain[0]
    if not signer.not_valid_before_utc.timestamp() <= now <= signer.not_valid_after_utc.timestamp():
        at = datetime.fromtimestamp(now, UTC).date()
        raise BadSignature(f"the certificate is not valid on {at}")
    names = [str(each.value).lower() for each in signer.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if not any(name == domain or name.endswith(f".{domain}") for name in names):
        raise BadSignature(f"the certificate is not one of {domain}")
    for issued, issuer in pairwise(chain):
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise BadSignature("the certificate is not issued by the one that came with it") from error


def certified_key(certificate: "Certificate") -> "PublicKeyTypes":
    """The key that a certificate is about; raises BadSignature where it cannot be read."""
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadSignature("the certificate's key cannot be read") from error


def rsa_signed(key: "PublicKeyTypes | None", proof: bytes, message: bytes, algorithm: RsaHash) -> bool:
    """Whether `proof` is the RSA signature (PKCS #1 v1.5) of `message` by this key; False for a key that is not RSA."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    if not isinstance(key, RSAPublicKey):
        return False
    try:
        # SHA-1 only where the provider still signs with it (AWS SNS, SignatureVersion 1)
        key.verify(proof, message, PKCS1v15(), SHA256() if algorithm == "sha256" else SHA1())  # noqa: S303
    except InvalidSignature:
        return False
    return True


def ecdsa_signed(key: "PublicKeyTypes | None", proof: bytes, message: bytes) -> bool:
    """Whether `proof` (DER) is the ECDSA P-256/SHA-256 signature of `message` by this key; False for other keys."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import SHA256

    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        return False
    try:
        key.verify(proof, message, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True
