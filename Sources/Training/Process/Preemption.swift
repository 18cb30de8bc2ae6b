import CSystem
import Glibc

/// Requests from outside to stop: the batch system's warning before it takes the node away, or a user's ^C.
///
/// The handler only sets a flag. The training loop reads it once a step, combines it over the ranks (a maximum of
/// `requested?.rawValue ?? 0`), saves a checkpoint and leaves. SIGTERM, SIGUSR1 and SIGHUP may come any number of times;
/// a second SIGINT kills the process at once.
package enum Preemption {
  package enum Signal: Int32, Sendable, CustomStringConvertible {
    case hangUp = 1
    case interrupt = 2
    case userDefined1 = 10
    case terminate = 15

    package var description: String {
      switch self {
      case .hangUp: "SIGHUP"
      case .interrupt: "SIGINT"
      case .userDefined1: "SIGUSR1"
      case .terminate: "SIGTERM"
      }
    }
  }

  /// Installs the handlers and ignores SIGPIPE and SIGXFSZ; call it before `MPI_Init`, since launchers forward signals at
  /// once and a rank without a handler dies of them. May be called again, which arms a graceful SIGINT once more. A SIGINT
  /// or SIGHUP that the parent process had ignored stays ignored.
  package static func install() {
    let failure = fgn_signals_install()
    precondition(failure == 0, "signal handlers cannot be installed: \(String(cString: strerror(failure)))")
  }

  /// The last signal since the start or the last `reset()`, in this process; nil if none came.
  package static var requested: Signal? { Signal(rawValue: fgn_signals_pending()) }

  /// Forgets the signals that came so far.
  package static func reset() { fgn_signals_reset() }
}
