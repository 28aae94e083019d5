//! A small HTTP server that answers as a test says, also wrongly, and keeps what it was asked; with or without TLS.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// A request as it came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub method: String,
    pub target: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    /// A header, by its name in small letters.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The operation that is called: of a query, of JSON, or of CBOR.
    pub(super) fn operation(&self) -> String {
        if let Some((_, operation)) = self.header("x-amz-target").rsplit_once('.') {
            return operation.to_owned();
        }
        let body = String::from_utf8_lossy(&self.body);
        let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
        match (action, self.target.split_once("/operation/")) {
            (Some(action), _) => action.to_owned(),
            (None, Some((_, operation))) => operation.to_owned(),
            (None, None) => format!("{} {}", self.method, self.target),
        }
    }

    /// A parameter of a query.
    pub(super) fn parameter(&self, name: &str) -> String {
        let body = String::from_utf8_lossy(&self.body);
        let found = body
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(key, value)| (key == name).then(|| value.to_owned()));
        percent_encoding::percent_decode_str(&found.unwrap_or_default())
            .decode_utf8_lossy()
            .into_owned()
    }

    /// The access key that signed it.
    pub(super) fn signer(&self) -> String {
        let signature = self.header("authorization").split_once("Credential=");
        let key = signature.and_then(|(_, rest)| rest.split('/').next());
        key.unwrap_or("nobody").to_owned()
    }
}

/// What is done about a request.
#[derive(Debug, Clone)]
pub(super) enum Reply {
    /// An answer with this status, these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// The same, of which only so many bytes of the body come before the connection ends.
    Cut(u16, Vec<u8>, usize),
    /// The body one byte after the other, with this pause between.
    Drip(Vec<u8>, Duration),
    /// The connection ends.
    HangUp,
    /// Nothing, for so long.
    Silence(Duration),
    /// The rest of the connection goes to this address.
    Tunnel(String),
}

impl Reply {
    pub(super) fn text(status: u16, body: impl Into<String>) -> Self {
        Self::Answer(status, Vec::new(), body.into().into_bytes())
    }
}

type Handler = Arc<dyn Fn(&Request) -> Reply + Send + Sync>;

/// A running server; it ends with the process.
#[derive(Clone)]
pub(super) struct Server {
    /// `127.0.0.1:PORT`.
    pub address: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(super) fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(handler))
    }

    /// With TLS and the certificate of this name in `tls`.
    pub(super) fn start_tls(certificate: &str, handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let read = |name: &str| std::fs::read(super::tls(name)).unwrap();
        let chain = CertificateDer::pem_slice_iter(&read(&format!("{certificate}.pem")))
            .collect::<Result<Vec<_>, _>>()
            .unwrap();
        let key = PrivateKeyDer::from_pem_slice(&read("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Self::listen(Some(Arc::new(config)), Arc::new(handler))
    }

    fn listen(tls: Option<Arc<rustls::ServerConfig>>, handler: Handler) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            seen: Arc::default(),
        };
        let seen = server.seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (tls, handler, seen) = (tls.clone(), handler.clone(), seen.clone());
                std::thread::spawn(move || {
                    // That the other side goes away ends the connection.
                    let _ = match tls {
                        None => serve(stream, &handler, &seen),
                        Some(tls) => rustls::ServerConnection::new(tls)
                            .map_err(std::io::Error::other)
                            .and_then(|connection| {
                                serve(rustls::StreamOwned::new(connection, stream), &handler, &seen)
                            }),
                    };
                });
            }
        });
        server
    }

    /// `http://127.0.0.1:PORT`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far.
    pub(super) fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

/// An address where nobody listens.
pub(super) fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

fn serve(stream: impl Connection, handler: &Handler, seen: &Mutex<Vec<Request>>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(request) = read(&mut stream)? {
        seen.lock().unwrap().push(request.clone());
        let reply = handler(&request);
        let to = stream.get_mut();
        match reply {
            Reply::Answer(status, headers, body) => {
                let headers: String = headers
                    .iter()
                    .map(|(name, value)| format!("{name}: {value}\r\n"))
                    .collect();
                let head = format!("HTTP/1.1 {status} -\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
                to.write_all(&[head.as_bytes(), &body].concat())?;
            }
            Reply::Cut(status, body, end) => {
                write!(to, "HTTP/1.1 {status} -\r\nContent-Length: {}\r\n\r\n", body.len())?;
                to.write_all(&body[..end.min(body.len())])?;
                to.flush()?;
                return Ok(());
            }
            Reply::Drip(body, pause) => {
                write!(to, "HTTP/1.1 200 -\r\nContent-Length: {}\r\n\r\n", body.len())?;
                for byte in body {
                    to.write_all(&[byte])?;
                    to.flush()?;
                    std::thread::sleep(pause);
                }
            }
            Reply::HangUp => return Ok(()),
            Reply::Silence(pause) => {
                std::thread::sleep(pause);
                return Ok(());
            }
            Reply::Tunnel(address) => {
                to.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
                to.flush()?;
                return tunnel(stream.into_inner(), &address);
            }
        }
        stream.get_mut().flush()?;
    }
    Ok(())
}

/// A connection, with TLS or without.
trait Connection: Read + Write {
    fn socket(&self) -> &TcpStream;
}

impl Connection for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Connection for rustls::StreamOwned<rustls::ServerConnection, TcpStream> {
    fn socket(&self) -> &TcpStream {
        &self.sock
    }
}

/// Passes on what comes from either side, however long the other thinks, until one goes away.
fn tunnel(mut client: impl Connection, address: &str) -> std::io::Result<()> {
    const TURN: Duration = Duration::from_millis(20);
    let mut upstream = TcpStream::connect(address)?;
    for socket in [client.socket(), &upstream] {
        socket.set_read_timeout(Some(TURN))?;
    }
    while pass(&mut client, &mut upstream)? && pass(&mut upstream, &mut client)? {}
    Ok(())
}

/// Passes on what has come, if anything; whether the connection goes on.
fn pass(from: &mut impl Read, to: &mut impl Write) -> std::io::Result<bool> {
    let mut buffer = [0; 65_536];
    match from.read(&mut buffer) {
        Ok(0) => Ok(false),
        Ok(count) => to.write_all(&buffer[..count]).and_then(|()| to.flush()).map(|()| true),
        Err(error) if is_timeout(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
    )
}

/// The next request, unless the connection ends.
pub(super) fn read(stream: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    Ok(Some(Request {
        method,
        target,
        headers,
        body,
    }))
}
