//! Connections, with TLS or without.

use std::{net::SocketAddr, sync::Arc};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

use super::outcome::Failure;
use crate::{arguments::Protocol, stage::Target};

/// What requests are written to, and answers read from.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// Makes connections to one target.
pub struct Dialer {
    address: SocketAddr,
    tls: Option<TlsConnector>,
    protocol: Protocol,
}

impl Dialer {
    /// To this target, for this version of HTTP.
    pub fn new(target: &Target, protocol: Protocol) -> anyhow::Result<Self> {
        let tls = match target.tls {
            true => Some(tls(protocol)?),
            false => None,
        };
        Ok(Self {
            address: target.address,
            tls,
            protocol,
        })
    }

    /// A new connection.
    pub async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let connect = async {
            let stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let stream = connect.await.map_err(|error| Failure::io("connecting", &error))?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::IpAddress(self.address.ip().into());
        let stream = tls
            .connect(name, stream)
            .await
            .map_err(|error| Failure::io("TLS handshake", &error))?;
        let chosen = stream.get_ref().1.alpn_protocol();
        match self.protocol == Protocol::H2 && chosen != Some(b"h2") {
            true => Err(Failure::fatal("TLS handshake: HTTP/2 is not spoken there")),
            false => Ok(Box::new(stream)),
        }
    }
}

/// TLS 1.3, each handshake a full one: whoever comes for the first time has no ticket.
fn tls(protocol: Protocol) -> anyhow::Result<TlsConnector> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![match protocol {
        Protocol::H1 => b"http/1.1".to_vec(),
        Protocol::H2 => b"h2".to_vec(),
    }];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Believes every certificate: what is measured never leaves this machine.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
