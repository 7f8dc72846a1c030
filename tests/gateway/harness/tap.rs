//! A listening ear between the gateway and an app that cannot say what it saw.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Passes bytes both ways and remembers those that the gateway sent.
pub struct Tap {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Tap {
    /// A tap in front of an app, on another port of the same address.
    pub fn before(app: SocketAddr) -> Self {
        let listener = TcpListener::bind((app.ip(), 0)).unwrap();
        let tap = Self {
            address: listener.local_addr().unwrap(),
            heard: Arc::default(),
        };
        let heard = Arc::clone(&tap.heard);
        // The thread ends with the test's process: it holds nothing that others wait for.
        thread::spawn(move || {
            for gateway in listener.incoming() {
                let heard = Arc::clone(&heard);
                thread::spawn(move || {
                    // An app that has gone is for the gateway to notice: it sees the connection end.
                    let _ = pass(gateway.unwrap(), app, &heard);
                });
            }
        });
        tap
    }

    /// Its address as a route's `upstream`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Everything that the gateway sent so far.
    pub fn heard(&self) -> String {
        String::from_utf8_lossy(&self.heard.lock().unwrap()).into_owned()
    }

    /// Forgets what was sent so far.
    pub fn forget(&self) {
        self.heard.lock().unwrap().clear();
    }

    /// Holds that the gateway sent not one byte.
    #[track_caller]
    pub fn saw_nothing(&self) {
        assert_eq!(self.heard(), "", "the app saw something");
    }
}

fn pass(mut gateway: TcpStream, app: SocketAddr, heard: &Mutex<Vec<u8>>) -> io::Result<()> {
    let mut app = TcpStream::connect(app)?;
    let (mut answers, mut back) = (app.try_clone()?, gateway.try_clone()?);
    thread::spawn(move || {
        let _ = io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Write);
    });
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = gateway.read(&mut buffer)?;
        if read == 0 {
            return app.shutdown(Shutdown::Write);
        }
        // Remembered before it is passed on: whoever has the app's answer finds the question here.
        heard.lock().unwrap().extend_from_slice(&buffer[..read]);
        app.write_all(&buffer[..read])?;
    }
}
