//! The raw loop that fan-out is compared with: `send()` of the same size to the same number of loopback sockets, and nothing else.

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::cpu;

/// CPU time of this thread for one send (and, with `receive`, one receive), paced like a room's updates.
pub fn cost(
    sockets: &mut [TcpStream],
    bytes: usize,
    hz: u32,
    seconds: u64,
    receive: bool,
) -> Duration {
    let payload = vec![0x5a; bytes];
    let mut scratch = [0; 2048];
    let period = Duration::from_secs(1) / hz;
    let (begun, cpu_before) = (Instant::now(), cpu::of_thread());
    let mut sends = 0_u32;
    for round in 1..=(seconds as u32 * hz) {
        for socket in sockets.iter_mut() {
            // A full socket would be a reader that does not keep up: it costs a call all the same.
            let _ = socket.write(&payload);
            if receive {
                match socket.read(&mut scratch) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("the raw loop lost a socket: {error}"),
                }
            }
            sends += 1;
        }
        std::thread::sleep((begun + period * round).saturating_duration_since(Instant::now()));
    }
    (cpu::of_thread() - cpu_before) / sends.max(1)
}

/// Accepts so many sockets, ready for the loop.
pub fn accept(listener: &TcpListener, count: usize) -> Vec<TcpStream> {
    (0..count)
        .map(|_| {
            let (socket, _) = listener.accept().expect("the sink connects");
            socket.set_nodelay(true).expect("a socket has options");
            socket.set_nonblocking(true).expect("a socket has options");
            socket
        })
        .collect()
}
