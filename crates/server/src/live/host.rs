//! The machine watches itself: cpu by mode, memory, swap, load, disks, network, and this process.
//!
//! Figures come from `sysinfo`; what it lacks (cpu time by mode) is read from `/proc/stat`, and is left
//! out where that file does not exist. Ratios are over the time since the last look, so the first look
//! has none.
//!
//! Not here: when to look, and where the samples go (`own.rs`).

use std::collections::BTreeMap;
use std::path::Path;

use bellwether_disk::{Disk, RealDisk, read_file};
use bellwether_model::{Labels, METRIC_NAME};
use sysinfo::{
    Disks, MemoryRefreshKind, Networks, Pid, ProcessRefreshKind, ProcessesToUpdate, System,
};

/// The modes of `/proc/stat`, in its order. `guest` and what follows is part of `user` and `nice`.
const CPU_MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];

/// No line of `/proc/stat` that matters lies beyond this.
const PROC_STAT_BYTES_MAX: u64 = 1 << 20;

/// File systems that hold no one's data; their fill says nothing.
const PSEUDO_FILE_SYSTEMS: [&str; 6] = [
    "tmpfs", "devtmpfs", "overlay", "squashfs", "ramfs", "efivarfs",
];

/// What one look gave: series and their values.
pub(crate) type Figures = Vec<(Labels, f64)>;

/// Remembers between two looks what ratios need.
pub(crate) struct HostWatch {
    /// `None` where the system does not tell.
    system: Option<System>,
    disks: Option<Disks>,
    networks: Option<Networks>,
    process: Option<Pid>,
    cpu_before: Option<[u64; CPU_MODES.len()]>,
}

impl HostWatch {
    /// Looks nowhere yet.
    pub(crate) fn new() -> HostWatch {
        HostWatch {
            system: System::new().ok(),
            disks: Disks::new().ok(),
            networks: Networks::new().ok(),
            process: sysinfo::get_current_pid().ok(),
            cpu_before: None,
        }
    }

    /// The machine's figures now.
    pub(crate) fn look(&mut self) -> Figures {
        let mut figures = Figures::new();
        self.cpu(&mut figures);
        self.memory(&mut figures);
        self.disks(&mut figures);
        self.network(&mut figures);
        self.process(&mut figures);
        figures
    }

    fn cpu(&mut self, out: &mut Figures) {
        if let Ok(load) = System::load_average() {
            push(out, "host_load1", &[], load.one);
            push(out, "host_load5", &[], load.five);
            push(out, "host_load15", &[], load.fifteen);
        }
        for (name, seconds) in [
            ("host_uptime_seconds", System::uptime()),
            ("host_boot_time_seconds", System::boot_time()),
        ] {
            if let Ok(seconds) = seconds {
                push(out, name, &[], seconds as f64);
            }
        }
        if let Ok(cores) = std::thread::available_parallelism() {
            push(out, "host_cpu_cores", &[], cores.get() as f64);
        }
        let Some(now) = cpu_times() else { return };
        if let Some(before) = self.cpu_before.replace(now) {
            let spent: Vec<u64> = now
                .iter()
                .zip(before)
                .map(|(n, b)| n.saturating_sub(b))
                .collect();
            let total: u64 = spent.iter().sum();
            for (mode, ticks) in CPU_MODES.iter().zip(spent).filter(|_| total > 0) {
                push(
                    out,
                    "host_cpu_usage_ratio",
                    &[("mode", mode)],
                    ticks as f64 / total as f64,
                );
            }
        }
    }

    fn memory(&mut self, out: &mut Figures) {
        let Some(system) = &mut self.system else {
            return;
        };
        system.refresh_memory_specifics(MemoryRefreshKind::everything());
        for (name, bytes) in [
            ("host_memory_total_bytes", system.total_memory()),
            ("host_memory_available_bytes", system.available_memory()),
            ("host_memory_used_bytes", system.used_memory()),
            ("host_swap_total_bytes", system.total_swap()),
            ("host_swap_used_bytes", system.used_swap()),
        ] {
            push(out, name, &[], bytes as f64);
        }
    }

    fn disks(&mut self, out: &mut Figures) {
        let Some(disks) = &mut self.disks else { return };
        disks.refresh(true);
        // One file system may be mounted in many places: the first place in order stands for it.
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        let mut mounts: Vec<_> = disks.iter().collect();
        mounts.sort_by(|a, b| a.mount_point().cmp(b.mount_point()));
        for disk in mounts {
            let file_system = disk.file_system().to_string_lossy();
            if disk.total_space() == 0 || PSEUDO_FILE_SYSTEMS.contains(&file_system.as_ref()) {
                continue;
            }
            let device = disk.name().to_string_lossy().into_owned();
            let mount = disk.mount_point().to_string_lossy().into_owned();
            if seen.insert(device.clone(), mount.clone()).is_some() {
                continue;
            }
            let labels = [
                ("device", device.as_str()),
                ("fstype", &file_system),
                ("mount", &mount),
            ];
            push(
                out,
                "host_disk_total_bytes",
                &labels,
                disk.total_space() as f64,
            );
            push(
                out,
                "host_disk_available_bytes",
                &labels,
                disk.available_space() as f64,
            );
        }
    }

    fn network(&mut self, out: &mut Figures) {
        let Some(networks) = &mut self.networks else {
            return;
        };
        networks.refresh(true);
        let devices: BTreeMap<_, _> = networks.iter().collect();
        for (device, seen) in devices {
            let device = device.to_string_lossy();
            let labels = [("device", device.as_ref())];
            for (name, total) in [
                ("host_network_receive_bytes_total", seen.total_received()),
                (
                    "host_network_transmit_bytes_total",
                    seen.total_transmitted(),
                ),
                (
                    "host_network_receive_errors_total",
                    seen.total_errors_on_received(),
                ),
                (
                    "host_network_transmit_errors_total",
                    seen.total_errors_on_transmitted(),
                ),
            ] {
                push(out, name, &labels, total as f64);
            }
        }
    }

    fn process(&mut self, out: &mut Figures) {
        let (Some(pid), Some(system)) = (self.process, &mut self.system) else {
            return;
        };
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), true, what);
        let Some(process) = system.process(pid) else {
            return;
        };
        for (name, value) in [
            (
                "bellwether_process_cpu_seconds_total",
                process.accumulated_cpu_time() as f64 / 1000.0,
            ),
            (
                "bellwether_process_resident_memory_bytes",
                process.memory() as f64,
            ),
            (
                "bellwether_process_start_time_seconds",
                process.start_time() as f64,
            ),
        ] {
            push(out, name, &[], value);
        }
        if let Some(open) = process.open_files() {
            push(out, "bellwether_process_open_fds", &[], open as f64);
        }
    }
}

/// Clock ticks by mode since boot, over all cpus: the first line of `/proc/stat`.
fn cpu_times() -> Option<[u64; CPU_MODES.len()]> {
    let path = Path::new("/proc/stat");
    if !RealDisk.exists(path).ok()? {
        return None;
    }
    let bytes = read_file(&RealDisk, path, PROC_STAT_BYTES_MAX).ok()?;
    parse_cpu_times(std::str::from_utf8(&bytes).ok()?)
}

fn parse_cpu_times(text: &str) -> Option<[u64; CPU_MODES.len()]> {
    let mut words = text.lines().next()?.split_ascii_whitespace();
    if words.next() != Some("cpu") {
        return None;
    }
    let mut times = [0; CPU_MODES.len()];
    for time in &mut times {
        *time = words.next()?.parse().ok()?;
    }
    Some(times)
}

/// Adds one figure.
pub(crate) fn push(out: &mut Figures, name: &str, labels: &[(&str, &str)], value: f64) {
    let pairs = labels.iter().copied().chain([(METRIC_NAME, name)]);
    out.push((Labels::from_pairs(pairs), value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_times_are_the_first_line() {
        let text = "cpu  10 1 5 100 3 0 2 0 0 0\ncpu0 1 2 3 4 5 6 7 8\n";
        assert_eq!(parse_cpu_times(text), Some([10, 1, 5, 100, 3, 0, 2, 0]));
        assert_eq!(parse_cpu_times("cpu 1 2\n"), None);
        assert_eq!(parse_cpu_times(""), None);
    }

    #[test]
    fn this_machine_has_memory_and_ratios_that_add_up() {
        let mut watch = HostWatch::new();
        watch.cpu_before = Some([0; CPU_MODES.len()]); // Since boot.
        let figures = watch.look();
        let value = |name: &str| {
            figures
                .iter()
                .find(|(l, _)| l.metric() == Some(name))
                .map(|(_, v)| *v)
        };
        assert!(value("host_memory_total_bytes").is_some_and(|v| v > 0.0));
        assert!(value("bellwether_process_resident_memory_bytes").is_some_and(|v| v > 0.0));
        let ratios = figures
            .iter()
            .filter(|(l, _)| l.metric() == Some("host_cpu_usage_ratio"));
        let sum: f64 = ratios.map(|(_, v)| v).sum();
        assert!(sum == 0.0 || (sum - 1.0).abs() < 1e-9, "{sum}");
    }
}
