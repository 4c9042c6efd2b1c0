//! A slow link on this machine: two network namespaces without names, joined by a pair of virtual interfaces whose one end is narrow.
//! Nothing of it outlives the processes that live in it. What is measured over it stands elsewhere.

use std::{fmt, process::Command};

use crate::fanout::Process;

/// The near side has servers and proxies, the far one clients.
pub const NEAR: &str = "10.77.0.1";
const FAR: &str = "10.77.0.2";
const INTERFACE: &str = "slow0";
/// Bytes that wait before the link, as in a home router: 42 s at 200 kbit/s. Nothing is dropped, so that no sender learns of the queue by losses.
const QUEUE: &str = "1048576";
/// A packet and its header of Ethernet.
const BURST: &str = "1600";

/// The link; both sides end with the value.
pub struct Bottleneck {
    near: Process,
    far: Process,
}

/// Where a process of the report runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Near,
    Far,
}

/// Why there is no such link.
#[derive(Clone, Debug)]
pub struct Missing(String);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Bottleneck {
    /// With all the speed of this machine.
    pub fn new() -> Result<Self, Missing> {
        let link = Self {
            near: hold()?,
            far: hold()?,
        };
        let (near, far) = (link.near.id().to_string(), link.far.id().to_string());
        run(
            "ip",
            &[
                "link", "add", INTERFACE, "netns", &near, "type", "veth", "peer", "name",
                INTERFACE, "netns", &far,
            ],
        )?;
        for (side, address) in [(Side::Near, NEAR), (Side::Far, FAR)] {
            let address = format!("{address}/24");
            link.run(side, &["ip", "addr", "add", &address, "dev", INTERFACE])?;
            link.run(side, &["ip", "link", "set", INTERFACE, "up"])?;
            link.run(side, &["ip", "link", "set", "lo", "up"])?;
        }
        Ok(link)
    }

    /// What the near side sends goes by so many bits a second from now on, and waits for it.
    pub fn narrow(&self, kbit: u32) -> Result<(), Missing> {
        let rate = format!("{kbit}kbit");
        self.run(
            Side::Near,
            &[
                "tc", "qdisc", "replace", "dev", INTERFACE, "root", "tbf", "rate", &rate, "burst",
                BURST, "limit", QUEUE,
            ],
        )
    }

    /// Senders of the near side learn by losses alone how fast they may be, whatever this machine does otherwise: they fill the queue.
    pub fn fill_queues(&self) -> Result<(), Missing> {
        // As cubic does, which Linux has unless told otherwise, but which a namespace may not choose.
        let set = "echo reno > /proc/sys/net/ipv4/tcp_congestion_control";
        self.run(Side::Near, &["sh", "-c", set])
    }

    /// Bytes that wait before the link now.
    pub fn backlog(&self) -> Option<u64> {
        let args = ["tc", "-s", "-j", "qdisc", "show", "dev", INTERFACE];
        let told = enter(self.pid(Side::Near), &args).output().ok()?;
        let queues: serde_json::Value = serde_json::from_slice(&told.stdout).ok()?;
        queues.get(0)?.get("backlog")?.as_u64()
    }

    /// A part of this program that runs on one side.
    pub fn start(&self, side: Side, args: &[&str]) -> Process {
        let net = net_of(self.pid(side));
        Process::start_by(&["nsenter", &net], args).expect("a namespace takes one more")
    }

    fn run(&self, side: Side, args: &[&str]) -> Result<(), Missing> {
        check(args[0], enter(self.pid(side), args))
    }

    fn pid(&self, side: Side) -> u32 {
        match side {
            Side::Near => self.near.id(),
            Side::Far => self.far.id(),
        }
    }
}

/// A process that lives in a network namespace of its own, which is there as long as anybody is in it.
fn hold() -> Result<Process, Missing> {
    let mut held = Process::start_by(&["unshare", "--net"], &["hold"])
        .map_err(|error| Missing(format!("unshare does not start: {error}")))?;
    match held.line().as_str() {
        "held" => Ok(held),
        _ => Err(Missing("network namespaces need root".into())),
    }
}

/// What [`hold`] starts.
pub fn held() {
    println!("held");
    let _ = std::io::stdin().lines().next();
}

fn net_of(pid: u32) -> String {
    format!("--net=/proc/{pid}/ns/net")
}

fn enter(pid: u32, args: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.arg(net_of(pid)).args(args);
    command
}

fn run(program: &str, args: &[&str]) -> Result<(), Missing> {
    let mut command = Command::new(program);
    command.args(args);
    check(program, command)
}

fn check(name: &str, mut command: Command) -> Result<(), Missing> {
    let told = command
        .output()
        .map_err(|error| Missing(format!("{name} does not start: {error}")))?;
    match told.status.success() {
        true => Ok(()),
        false => {
            let why = String::from_utf8_lossy(&told.stderr);
            Err(Missing(format!("{name}: {}", why.trim())))
        }
    }
}
