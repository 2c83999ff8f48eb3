//! Passes connections from a listener outside of the namespace to a server inside.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Accepts for ever. A connection that the server does not take is closed, as if nobody listened.
pub(super) fn forward(listener: &TcpListener, server: SocketAddr) {
    for outside in listener.incoming().flatten() {
        let Ok(inside) = TcpStream::connect(server) else { continue };
        let (Ok(from), Ok(to)) = (outside.try_clone(), inside.try_clone()) else { continue };
        thread::spawn(move || copy(from, to));
        thread::spawn(move || copy(inside, outside));
    }
}

/// Copies one direction to its end, and passes that on.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    // What breaks on one side is shown to the other by the shutdown.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
