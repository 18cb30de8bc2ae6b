import Foundation
import LinearAlgebra
import MPI
import Training

/// What a run needs of this machine: processors, memory and limits.
struct MachineChecks {
  let environment = ProcessInfo.processInfo.environment

  var findings: [Diagnosis] {
    [processors, threads, kernels, memory, sharedMemory, openFiles, lockedMemory].compactMap { $0 }
  }

  private var processors: Diagnosis {
    let (own, all) = (Threads.affinity.count, ProcessInfo.processInfo.processorCount)
    let text = "\(own) of \(max(own, all)) CPUs may be used"
    guard let quota = CPUQuota.cpus(), quota < Double(own) else { return .fine("processors", text) }
    return .note(
      "processors", text + ", and the control group allows the time of \(quota.short)",
      "set OPENBLAS_NUM_THREADS=\(max(1, Int(quota))) for one process, or fewer threads for several ranks")
  }

  private var threads: Diagnosis? {
    guard let chosen = Threads.chosen(environment: environment) else { return nil }
    let text = "\(chosen) for each rank, by OPENBLAS_NUM_THREADS or OMP_NUM_THREADS"
    return chosen > Threads.affinity.count
      ? .note("threads", text + ", more than there are CPUs", "unset the variable, or set it to the CPUs of a rank")
      : .fine("threads", text)
  }

  private var kernels: Diagnosis {
    let text = "\(Kernels.summary)"
    if Kernels.name == "Prescott" {
      return .note(
        "BLAS", text + ", several times slower than this processor",
        Kernels.better(environment: environment).map { "set OPENBLAS_CORETYPE=\($0), or install a newer OpenBLAS" }
          ?? "unset OPENBLAS_CORETYPE, or install a newer OpenBLAS")
    }
    return .fine("BLAS", text)
  }

  private var memory: Diagnosis { .fine("memory", "\(HostMemory.limit().megabytes) for the ranks of this host") }

  /// Ranks of a host exchange and share examples there.
  private var sharedMemory: Diagnosis {
    var status = statvfs()
    guard statvfs("/dev/shm", &status) == 0 else {
      return .problem(
        "/dev/shm", "is not there; ranks of a host exchange through it", "mount a tmpfs: mount -t tmpfs tmpfs /dev/shm")
    }
    let free = Double(status.f_bavail) * Double(status.f_frsize)
    let text = "\(Int(free).megabytes) free"
    return free < 256e6
      ? .note(
        "/dev/shm", text + ", which many ranks or large arrays from Python may fill",
        "enlarge it: docker run --shm-size 4g, or mount -o remount,size=4g /dev/shm")
      : .fine("/dev/shm", text)
  }

  private var openFiles: Diagnosis? {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_max < 1024 else { return nil }
    return .note("open files", "at most \(limit.rlim_max)", "raise the limit for sets of many files: ulimit -Hn 65536")
  }

  /// Network adapters such as InfiniBand's need it.
  private var lockedMemory: Diagnosis? {
    guard FileManager.default.fileExists(atPath: "/dev/infiniband") else { return nil }
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(__RLIMIT_MEMLOCK.rawValue), &limit) == 0 else { return nil }
    return limit.rlim_cur < 1 << 30
      ? .problem(
        "locked memory", "at most \(limit.rlim_cur / 1024) kB, and InfiniBand needs far more",
        "set `memlock unlimited` in /etc/security/limits.conf, and for the batch system's daemon")
      : .fine("locked memory", limit.rlim_cur > 1 << 60 ? "without limit" : "\(limit.rlim_cur >> 20) MB")
  }
}

/// The processor time that a control group allows.
enum CPUQuota {
  /// CPUs' worth of time, of version 1 or 2 of control groups; nil without a limit.
  static func cpus(root: String = "/sys/fs/cgroup/") -> Double? {
    func numbers(_ name: String) -> [Double?] {
      let text = (try? String(contentsOfFile: root + name, encoding: .utf8)) ?? ""
      return text.split(whereSeparator: \.isWhitespace).map { Double($0) }
    }
    var (quota, period) = (numbers("cpu.max").first ?? nil, numbers("cpu.max").dropFirst().first ?? nil)
    if quota == nil {
      quota = numbers("cpu/cpu.cfs_quota_us").first ?? nil
      period = numbers("cpu/cpu.cfs_period_us").first ?? nil
    }
    guard let quota, let period, quota > 0, period > 0 else { return nil }
    return quota / period
  }
}
