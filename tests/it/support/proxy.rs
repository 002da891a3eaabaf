//! A way to PostgreSQL through which things go wrong.

use std::{io, time::Duration};

use sqlx::postgres::PgConnectOptions;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

/// Listens on a port of 127.0.0.1 and passes everything on to the server.
pub(crate) struct Proxy {
    /// The database, by way of the proxy.
    pub(crate) url: String,
    pub(crate) weather: watch::Sender<Weather>,
}

/// What happens on the way.
#[derive(Clone, Copy, Default)]
pub(crate) struct Weather {
    /// Raised, what is open then hears nothing any more, and is not closed.
    pub(crate) silences: u32,
    /// Raised, what is open then is closed.
    pub(crate) cuts: u32,
    /// New connections are closed at once.
    pub(crate) closed: bool,
    /// New connections are accepted, and hear nothing.
    pub(crate) silent: bool,
    /// Whatever is sent arrives so much later.
    pub(crate) delay: Duration,
}

impl Proxy {
    pub(crate) async fn start(target: &str) -> Self {
        let server: PgConnectOptions = target.parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url = url::Url::parse(target).unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        url.set_query(None);
        let weather = watch::Sender::new(Weather::default());
        let watched = weather.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(forward(near, server.clone(), watched.subscribe()));
            }
        });
        Self { url: url.into(), weather }
    }

    /// Nothing passes any more on the connections that are open now.
    pub(crate) fn silence(&self) {
        self.weather.send_modify(|weather| weather.silences += 1);
    }
}

async fn forward(near: TcpStream, server: PgConnectOptions, weather: watch::Receiver<Weather>) {
    let now = *weather.borrow();
    if now.closed {
        return;
    }
    let passing = async {
        if now.silent {
            return std::future::pending().await;
        }
        // The server may be gone: then so is the connection.
        let Ok(far) = dial(&server).await else { return };
        let (mut near, mut far) = (tokio::io::split(near), tokio::io::split(far));
        tokio::select! {
            _ = pass(&mut near.0, &mut far.1, &weather) => {}
            _ = pass(&mut far.0, &mut near.1, &weather) => {}
            // Both ends stay open and hear nothing.
            () = raised(&weather, |weather| weather.silences, now) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = passing => {}
        () = raised(&weather, |weather| weather.cuts, now) => {}
    }
}

async fn dial(server: &PgConnectOptions) -> io::Result<Box<dyn Pipe>> {
    let file = format!(".s.PGSQL.{}", server.get_port());
    Ok(match server.get_socket() {
        Some(folder) => Box::new(UnixStream::connect(folder.join(file)).await?),
        None => Box::new(TcpStream::connect((server.get_host(), server.get_port())).await?),
    })
}

trait Pipe: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Pipe for T {}

async fn pass(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    weather: &watch::Receiver<Weather>,
) -> io::Result<()> {
    let mut bytes = vec![0; 16 << 10];
    loop {
        let length = from.read(&mut bytes).await?;
        if length == 0 {
            return Ok(());
        }
        let delay = weather.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        to.write_all(&bytes[..length]).await?;
    }
}

/// Waits until a number is another one than it was.
async fn raised(weather: &watch::Receiver<Weather>, which: fn(&Weather) -> u32, was: Weather) {
    let mut weather = weather.clone();
    if weather.wait_for(|now| which(now) != which(&was)).await.is_err() {
        std::future::pending::<()>().await;
    }
}
