//! The way to AWS: proxies, certificates, addresses. What is set wrongly is said before the first call, and a call that
//! fails on the way says where.

use std::path::{Path, PathBuf};

use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use http::Uri;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::config_files::{Files, Section, in_home, plain};
use crate::environment::Environment;
use crate::trouble::Trouble;

/// The longest file of certificates in bytes: a system's takes 300 KB.
const LONGEST_BUNDLE: usize = 16 << 20;
const HEADING: &str = "-----BEGIN CERTIFICATE-----";
const ENDING: &str = "-----END CERTIFICATE-----";

/// The proxies that the environment names, by the AWS CLI's rules, which aren't the SDK's: small letters win, an empty
/// one of these switches off the other, and `NO_PROXY` may name a port. The SDK also goes past a proxy that it can't
/// read, straight into the network.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    /// For `http://`.
    pub(crate) http: Option<Proxy>,
    /// For `https://`.
    pub(crate) https: Option<Proxy>,
    /// `NO_PROXY`.
    pub(crate) except: String,
}

/// A proxy, and which variable names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    variable: &'static str,
    /// With its scheme.
    pub(crate) address: String,
}

impl Proxies {
    /// # Errors
    /// One of them can't be a proxy.
    pub(crate) fn of(environment: &Environment) -> Result<Self, Trouble> {
        let set = |small: &'static str, capital: &'static str| -> Result<Option<(&'static str, &str)>, Trouble> {
            let name = environment.raw(small).map_or(capital, |_| small);
            Ok(environment.get(name)?.map(|value| (name, value)))
        };
        let all = set("all_proxy", "ALL_PROXY")?;
        let proxy = |small, capital| {
            let said = set(small, capital)?.or(all);
            said.map(|(name, value)| Proxy::of(name, value)).transpose()
        };
        Ok(Self {
            http: proxy("http_proxy", "HTTP_PROXY")?,
            https: proxy("https_proxy", "HTTPS_PROXY")?,
            except: set("no_proxy", "NO_PROXY")?.map_or_else(String::new, |(_, list)| list.to_owned()),
        })
    }

    /// Whether `NO_PROXY` names this address: its host or one above it, with or without the port. Nets of addresses are
    /// left to the SDK, which knows them.
    pub(crate) fn excepts(&self, address: &Uri) -> bool {
        let Some(host) = address.host().map(str::to_ascii_lowercase) else {
            return false;
        };
        let with_port = address.port_u16().map(|port| format!("{host}:{port}"));
        self.except.split(',').any(|name| {
            let name = name.trim().trim_start_matches('.').to_ascii_lowercase();
            let is_in = |host: &str| {
                host.strip_suffix(&name)
                    .is_some_and(|before| before.is_empty() || before.ends_with('.'))
            };
            name == "*" || (!name.is_empty() && (is_in(&host) || with_port.as_deref().is_some_and(is_in)))
        })
    }

    /// The one that AWS is most likely reached by.
    fn likely(&self) -> Option<&Proxy> {
        self.https.as_ref().or(self.http.as_ref())
    }
}

impl Proxy {
    fn of(variable: &'static str, value: &str) -> Result<Self, Trouble> {
        let shown = without_password(value);
        let wrong = |what: &str, remedy: &str| Trouble::new(format!("{variable} is `{shown}`, {what}")).remedy(remedy);
        let address = match value.split_once("://") {
            None => format!("http://{}", value.trim_start_matches('/')),
            Some((scheme, _)) if ["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) => value.to_owned(),
            Some(_) => {
                return Err(wrong(
                    "a kind of proxy that billctl can't use",
                    &format!("set {variable} to an HTTP proxy, http://HOST:PORT"),
                ));
            }
        };
        if !is_proxy(&address) {
            return Err(wrong(
                "which is not a proxy's address",
                &format!(
                    "set {variable} to http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, with %23 for #, %40 for @ and \
                     so on in user and password"
                ),
            ));
        }
        Ok(Self { variable, address })
    }
}

/// Whether this is all of an address. The rest after a `#` would be lost, and with it the host where a password has one.
fn is_proxy(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
        return false;
    };
    let place = authority.as_str().rsplit('@').next().unwrap_or_default();
    let whole = match uri.port_u16() {
        Some(port) => place == format!("{host}:{port}"),
        None => place == host,
    };
    !host.is_empty() && whole && !text.contains('#')
}

/// What the SDK sends along in a header can be sent in one.
pub(crate) fn check_headers(environment: &Environment) -> Result<(), Trouble> {
    for variable in ["AWS_EXECUTION_ENV", "AWS_SDK_UA_APP_ID"] {
        if environment
            .get(variable)?
            .is_some_and(|value| value.contains(char::is_control))
        {
            let text = format!("{variable} holds a line break or another control character");
            return Err(Trouble::new(text).remedy(format!("set {variable} again without it, or unset it")));
        }
    }
    Ok(())
}

/// The services that billctl calls, as AWS's settings name them; for its credentials the last three.
const SERVICES: [&str; 15] = [
    "account",
    "billing",
    "cloudformation",
    "cloudwatch",
    "eventbridge",
    "iam",
    "organizations",
    "sesv2",
    "sfn",
    "sns",
    "sqs",
    "sts",
    "sso",
    "sso_oidc",
    "signin",
];

/// Every endpoint that is set for a service that is called is an address: the SDK takes a name without a scheme for a path.
pub(crate) fn check_endpoints(
    environment: &Environment,
    profile: Option<(&str, &Section)>,
    files: &Files,
) -> Result<(), Trouble> {
    let ignored = [
        environment.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")?,
        profile.and_then(|(_, section)| section.get("ignore_configured_endpoint_urls").map(String::as_str)),
    ];
    if ignored
        .into_iter()
        .flatten()
        .any(|value| value.eq_ignore_ascii_case("true"))
    {
        return Ok(());
    }
    let mut set: Vec<(String, &str)> = Vec::new();
    let services = SERVICES
        .iter()
        .map(|service| format!("AWS_ENDPOINT_URL_{}", service.to_uppercase()));
    for name in std::iter::once("AWS_ENDPOINT_URL".to_owned()).chain(services) {
        set.extend(environment.whole(&name)?.map(|url| (name, url)));
    }
    if let Some((name, section)) = profile {
        set.extend(
            section
                .get("endpoint_url")
                .map(|url| (format!("endpoint_url of profile {name}"), url.as_str())),
        );
        if let Some(services) = section.get("services").filter(|name| !name.is_empty()) {
            let found = files.services(services).ok_or_else(|| {
                Trouble::new(format!(
                    "profile {name} names services {services}, but there is no [services {services}]"
                ))
                .remedy(format!("add the section, or leave services out of profile {name}"))
            })?;
            let called = found.iter().filter(|(service, _)| SERVICES.contains(&service.as_str()));
            set.extend(called.flat_map(|(service, settings)| {
                let of_service = settings.lines().filter_map(|line| {
                    let (key, url) = line.split_once('=')?;
                    (key.trim() == "endpoint_url").then(|| url.trim())
                });
                of_service.map(move |url| (format!("endpoint_url of {service} in [services {services}]"), url))
            }));
        }
    }
    for (name, url) in set.into_iter().filter(|(_, url)| !url.is_empty()) {
        let uri = url.parse::<Uri>().ok().filter(has_port_in_range);
        let is_http = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host() != Some("");
        if uri.as_ref().is_some_and(is_http) {
            continue;
        }
        let text = format!("{name} is `{}`, which is not an address", without_password(url));
        let bare = !url.contains("://") && uri.is_some_and(|uri| uri.host().is_some());
        return Err(Trouble::new(text).remedy(match bare {
            true => format!("it needs http:// or https:// before it: https://{url}"),
            false => "it has to look like https://HOST or http://HOST:PORT".to_owned(),
        }));
    }
    Ok(())
}

/// Whether the port of an address is one: what is beyond all ports is none to the parser.
fn has_port_in_range(uri: &Uri) -> bool {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let place = authority.rsplit('@').next().unwrap_or_default();
    let port = place.rsplit(']').next().and_then(|rest| rest.split_once(':'));
    port.is_none_or(|(_, port)| port.is_empty() || uri.port_u16().is_some())
}

/// An address without who signs in there.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    match scheme {
        "" => rest.to_owned(),
        scheme => format!("{scheme}://{rest}"),
    }
}

/// The certificates that a server's has to be signed by: as for the AWS CLI those of `AWS_CA_BUNDLE` or the profile's
/// `ca_bundle` alone; else those of `SSL_CERT_FILE` and `SSL_CERT_DIR`; else the system's.
pub(crate) fn trust(environment: &Environment, profile: Option<(&str, &Section)>) -> Result<TlsContext, Trouble> {
    let bundle = environment
        .get("AWS_CA_BUNDLE")?
        .map(|path| ("AWS_CA_BUNDLE".to_owned(), PathBuf::from(path)));
    let setting = profile.and_then(|(name, section)| {
        let path = section.get("ca_bundle").filter(|path| !path.is_empty())?;
        Some((format!("ca_bundle of profile {name}"), PathBuf::from(path)))
    });
    let mut files: Vec<(String, PathBuf)> = bundle.or(setting).into_iter().collect();
    if files.is_empty() {
        files.extend(
            environment
                .get("SSL_CERT_FILE")?
                .map(|path| ("SSL_CERT_FILE".to_owned(), path.into())),
        );
        // A list, as for OpenSSL.
        let folders = environment.get("SSL_CERT_DIR")?.unwrap_or_default();
        let folders = std::env::split_paths(folders).filter(|path| !path.as_os_str().is_empty());
        files.extend(folders.map(|path| ("SSL_CERT_DIR".to_owned(), path)));
    }
    // The SDK's HTTP client ends the process where the system has none, as in a bare container.
    if files.is_empty() && rustls_native_certs::load_native_certs().certs.is_empty() {
        let what = "this system has no certificates to check AWS's against";
        return Err(Trouble::new(what.to_owned()).remedy(
            "install them (the package is usually called ca-certificates), or name a file of them in SSL_CERT_FILE",
        ));
    }
    let mut store = TrustStore::default().with_native_roots(files.is_empty());
    let mut found = 0;
    for (name, path) in &files {
        let wrong = |what: String| {
            Trouble::new(format!("{}, which {name} names, {what}", path.display()))
                .remedy("it has to be a file of certificates in PEM, each from -----BEGIN CERTIFICATE----- on")
        };
        let texts = match read(&in_home(path)) {
            Ok(texts) => texts,
            // As for OpenSSL, not every folder of a list has to be there.
            Err(_) if name == "SSL_CERT_DIR" && files.len() > 1 => continue,
            Err(error) => return Err(wrong(format!("can't be read: {}", plain(&error)))),
        };
        for block in texts.iter().flat_map(|text| certificates(text)) {
            store.add_pem_certificate(block.into_bytes());
            found += 1;
        }
        if found == 0 && files.len() == 1 {
            return Err(wrong("holds no certificate that can be read".to_owned()));
        }
    }
    TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|error| Trouble::new(format!("the certificates can't be used: {error}")))
}

/// A file's text, or those of a directory's files.
fn read(path: &Path) -> std::io::Result<Vec<String>> {
    let text = |path: &Path| {
        let bytes = billctl_core::file::read(path, LONGEST_BUNDLE)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    if !path.is_dir() {
        return text(path).map(|text| vec![text]);
    }
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(path)? {
        // A directory of certificates may hold other things, and links that lead nowhere.
        texts.extend(entry.and_then(|entry| text(&entry.path())).ok());
    }
    Ok(texts)
}

/// The certificates of a PEM text that can be trusted; what else is in it is left out, since the SDK's reader ends the
/// process where one can't be read.
fn certificates(text: &str) -> impl Iterator<Item = String> {
    text.split(HEADING).skip(1).filter_map(|rest| {
        let (inside, _) = rest.split_once(ENDING)?;
        let block = format!("{HEADING}{inside}{ENDING}\n");
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(block.as_bytes()).collect();
        let usable = read
            .is_ok_and(|read| !read.is_empty() && read.into_iter().all(|one| RootCertStore::empty().add(one).is_ok()));
        usable.then_some(block)
    })
}

/// What a call without an answer says, and what to do, by what its error says on every level.
pub(crate) fn unreached(said: &str, environment: &Environment) -> Trouble {
    let proxies = Proxies::of(environment).unwrap_or_default();
    let likely = proxies.likely();
    let proxy = likely.map(|proxy| {
        let shown = without_password(&proxy.address);
        format!("the proxy {shown}, which {} names", proxy.variable)
    });
    if let Some((_, reason)) = said.split_once("invalid peer certificate: ") {
        let (what, remedy) = certificate(reason);
        return Trouble::new(format!("the other side's certificate isn't trusted: {what}")).remedy(remedy);
    }
    if said.contains("tunnel error") {
        let by_proxy = proxy.map_or("a proxy".to_owned(), |proxy| format!("{proxy},"));
        let variable = likely.map_or("HTTPS_PROXY", |proxy| proxy.variable);
        if said.contains("proxy authorization required") {
            let text = format!("{by_proxy} wants a user and a password, or other ones");
            return Trouble::new(text).remedy(format!(
                "write them into {variable}: http://USER:PASSWORD@HOST:PORT, with %40 for @ and so on"
            ));
        }
        let what = match said {
            _ if said.contains("failed to create underlying connection") => "can't be reached",
            _ if said.contains("unexpected end of file") => "hung up",
            _ => "refuses to connect to AWS",
        };
        return Trouble::new(format!("{by_proxy} {what}")).remedy(format!(
            "check {variable} and the proxy; hosts that need none go into NO_PROXY"
        ));
    }
    if ["received corrupt message", "InvalidContentType", "tls handshake eof"]
        .iter()
        .any(|words| said.contains(words))
    {
        return Trouble::new("the other side doesn't speak TLS, or ends it at once")
            .remedy("check the http:// or https:// of AWS_ENDPOINT_URL and of the proxy");
    }
    let proxy = proxy.as_deref().unwrap_or("a proxy (HTTPS_PROXY)");
    let remedy = format!("check the network, {proxy}, and AWS_ENDPOINT_URL; then run the same command again");
    if said.contains("connect timeout") {
        return Trouble::new("no connection could be made in 4 seconds").remedy(remedy);
    }
    if said.contains("dns error") {
        let variants = environment.first(&["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"]);
        return Trouble::new("its host name can't be found").remedy(match variants {
            Ok(Some((variable, _))) => {
                format!("not every service has the address that {variable} asks for; {remedy}")
            }
            _ => remedy,
        });
    }
    Trouble::new(said).remedy(remedy)
}

fn certificate(reason: &str) -> (&'static str, &'static str) {
    const CLOCK: &str =
        "check this machine's clock; if it is right, the endpoint or a proxy has to get a new certificate";
    let has = |word: &str| reason.contains(word);
    if has("UnknownIssuer") || has("unknown issuer") {
        (
            "its issuer isn't known here",
            "where a company's proxy inspects TLS, name the PEM file of its certificates in AWS_CA_BUNDLE, or as \
             ca_bundle in the profile",
        )
    } else if has("NotValidYet") || has("not valid yet") {
        ("it isn't valid yet", CLOCK)
    } else if has("Expired") || has("expired") {
        ("it has expired", CLOCK)
    } else if has("NotValidForName") || has("not valid for name") {
        (
            "it is another host's",
            "check AWS_ENDPOINT_URL, and whether a proxy or a sign-in page answers instead of AWS",
        )
    } else if has("CaUsedAsEndEntity") {
        (
            "it is an authority's own, not a server's",
            "the endpoint or proxy needs a certificate of its own, signed by the one in AWS_CA_BUNDLE",
        )
    } else {
        (
            "it is broken",
            "check AWS_ENDPOINT_URL, and whether a proxy is in between",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_one_or_is_named() {
        for proxy in [
            "http://p:1",
            " p:1\n",
            "//p:1",
            "https://u:p%40x@p",
            "HTTP://[::1]:8080/",
            "p",
        ] {
            let proxies = Proxies::of(&Environment::of(&[("https_proxy", proxy)])).unwrap();
            assert!(proxies.https.is_some() && proxies.http.is_none(), "{proxy}");
        }
        for proxy in [
            "socks5://u:secret@p:1",
            "http://",
            "http://u:sec#ret@p",
            "http://u:secret@p q",
            "ftp://secret@p",
        ] {
            let trouble = Proxies::of(&Environment::of(&[("ALL_PROXY", proxy)])).unwrap_err();
            assert!(trouble.text.starts_with("ALL_PROXY is `"), "{trouble}");
            assert!(!trouble.text.contains("sec"), "{trouble}");
        }
    }

    #[test]
    fn the_variables_of_proxies_weigh_as_in_the_cli() {
        let address = |variables: &[(&str, &str)]| {
            let proxies = Proxies::of(&Environment::of(variables)).unwrap();
            [proxies.http, proxies.https].map(|proxy| proxy.map_or_else(String::new, |proxy| proxy.address))
        };
        let both = [("HTTPS_PROXY", "http://capital"), ("https_proxy", "http://small")];
        assert_eq!(address(&both), ["", "http://small"]);
        assert_eq!(
            address(&[("HTTPS_PROXY", "http://capital"), ("https_proxy", "")]),
            ["", ""]
        );
        assert_eq!(
            address(&[("ALL_PROXY", "a"), ("HTTP_PROXY", "h")]),
            ["http://h", "http://a"]
        );
        // One that nothing is sent to needn't be one that can be used.
        let unused = [("ALL_PROXY", "socks5://a"), ("HTTP_PROXY", "h"), ("HTTPS_PROXY", "s")];
        assert_eq!(address(&unused), ["http://h", "http://s"]);
    }

    #[test]
    fn no_proxy_names_hosts_with_and_without_port() {
        let excepts = |list: &str, url: &str| {
            let proxies = Proxies::of(&Environment::of(&[("NO_PROXY", list)])).unwrap();
            proxies.excepts(&url.parse().unwrap())
        };
        for list in [
            "*",
            "a, amazonaws.com",
            ".AmazonAWS.com",
            "sts.amazonaws.com",
            "sts.amazonaws.com:8443",
        ] {
            assert!(excepts(list, "https://sts.amazonaws.com:8443/"), "{list}");
        }
        for list in [
            "",
            ",",
            "ws.com",
            "sts.amazonaws.com:443",
            "x.sts.amazonaws.com",
            "*.amazonaws.com",
        ] {
            assert!(!excepts(list, "https://sts.amazonaws.com:8443/"), "{list}");
        }
        assert!(excepts("[::1]:80", "http://[::1]:80/"));
    }

    #[test]
    fn an_endpoint_is_an_address_or_is_named() {
        for url in ["http://localhost:4566", "https://h/path", "http://[::1]:1"] {
            assert_eq!(
                check_endpoints(
                    &Environment::of(&[("AWS_ENDPOINT_URL_STS", url)]),
                    None,
                    &Files::default()
                ),
                Ok(()),
                "{url}"
            );
        }
        for url in ["localhost:4566", "localhost", "file:///x", "http://", "/x", "http:/x"] {
            let trouble =
                check_endpoints(&Environment::of(&[("AWS_ENDPOINT_URL", url)]), None, &Files::default()).unwrap_err();
            assert!(trouble.text.starts_with("AWS_ENDPOINT_URL is `"), "{url} {trouble}");
        }
    }

    #[test]
    fn what_is_to_be_ignored_needs_no_address() {
        let ignoring = Environment::of(&[
            ("AWS_ENDPOINT_URL", "nowhere"),
            ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "TRUE"),
        ]);
        assert_eq!(check_endpoints(&ignoring, None, &Files::default()), Ok(()));
    }
}
