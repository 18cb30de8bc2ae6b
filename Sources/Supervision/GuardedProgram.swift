import CSystem
import Glibc

/// A program that runs under a guard: when it ends, or when this process dies, however that comes, nothing of it goes on.
package final class GuardedProgram {
  /// The process whose descendants the program's processes are.
  package let guardProcess: pid_t
  /// Where the program's standard error can be read; it ends with the last of its processes.
  package let errorOutput: Int32
  private var control: Int32
  private var code: Int32?

  /// Milliseconds that processes have which outlive the program.
  private static let grace: Int32 = 2000

  /// Makes this process the parent of what a dead guard leaves.
  package static func adoptOrphans() { _ = fgn_adopt_orphans() }

  /// Starts a program by its path, with the standard output of this process. Throws what the system says.
  ///
  /// - Parameter kept: a descriptor that stays open until nothing of the program is left, also where this process dies.
  package init(
    _ path: String, _ arguments: [String], environment: [String: String], keeping kept: Int32 = -1
  ) throws(SystemFailure) {
    var pipes = fgn_guard_pipes()
    let process = withCStrings([path] + arguments) { arguments in
      withCStrings(environment.map { "\($0)=\($1)" }) { environment in
        path.withCString { path in
          var program = fgn_guarded(path: path, arguments: arguments, environment: environment, kept: kept)
          return fgn_guard_start(&program, Self.grace, &pipes)
        }
      }
    }
    guard process > 0 else { throw SystemFailure(code: errno) }
    (guardProcess, control, errorOutput) = (process, pipes.control, pipes.error_output)
  }

  deinit {
    endAll()
    while exitCode == nil { usleep(20_000) }
    close(errorOutput)
  }

  /// Sends a signal to the program.
  package func signal(_ number: Int32) {
    var byte = UInt8(number)
    // The guard has gone where nobody reads, and with it the program.
    if control >= 0 { _ = write(control, &byte, 1) }
  }

  /// Ends the program by SIGTERM and, a few seconds later, SIGKILL, and all that it started.
  package func endAll() {
    if control >= 0 { close(control) }
    control = -1
  }

  /// The exit code, or 128 + the signal; nil while anything goes on. Does not wait.
  package var exitCode: Int32? {
    if code == nil {
      var status: Int32 = 0
      guard waitpid(guardProcess, &status, WNOHANG) == guardProcess else { return nil }
      code = status & 0x7f == 0 ? status >> 8 & 0xff : 128 + status & 0x7f
      // What is left where the guard itself was killed.
      if status & 0x7f != 0 { fgn_end_children(Self.grace) }
    }
    return code
  }
}

/// A call that the system refused.
package struct SystemFailure: Error, CustomStringConvertible {
  package let code: Int32

  package var description: String { String(cString: strerror(code)) }
}
