use billctl_core::error::{Error, Result};
use billctl_core::text;

/// That some certificate is there by which a server's could be judged. The SDK's HTTP client ends the process where the
/// system has none, as in a bare container, or `SSL_CERT_FILE` leads nowhere.
pub(super) fn check() -> Result<()> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(());
    }
    let named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].into_iter().find_map(|name| {
        let value = std::env::var_os(name).filter(|value| !value.is_empty())?;
        Some((name, text::line(&value.display().to_string())))
    });
    Err(match named {
        Some((name, path)) => Error::failed(format!("{path}, which {name} names, holds no certificate"))
            .hint(format!("name a file of certificates in PEM, or unset {name}")),
        None => Error::failed("this system has no certificates by which AWS could be told from somebody else").hint(
            "install them (the package is mostly called ca-certificates), or name a file of them in SSL_CERT_FILE",
        ),
    })
}
