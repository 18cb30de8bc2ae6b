import Foundation
import Testing

@testable import Supervision

/// Programs of the shell under a guard.
@Suite(.serialized) struct GuardedProgramTests {
  private func shell(_ script: String) throws -> GuardedProgram {
    try GuardedProgram("/bin/sh", ["-c", script], environment: ["PATH": "/usr/bin:/bin", "WORD": "a word"])
  }

  /// The exit code and standard error.
  private func wait(_ program: GuardedProgram) throws -> (code: Int32, text: String) {
    var bytes: [UInt8] = []
    var part = [UInt8](repeating: 0, count: 4096)
    while case let count = read(program.errorOutput, &part, part.count), count > 0 { bytes += part[..<count] }
    let begin = ContinuousClock.now
    while ContinuousClock.now - begin < .seconds(20) {
      if let code = program.exitCode { return (code, String(decoding: bytes, as: UTF8.self)) }
      usleep(10_000)
    }
    struct Endless: Error {}
    throw Endless()
  }

  /// The number in the first line of standard error.
  private func firstNumber(_ program: GuardedProgram) -> pid_t? {
    var byte: UInt8 = 0
    var text = ""
    while read(program.errorOutput, &byte, 1) == 1, byte != UInt8(ascii: "\n") {
      text.unicodeScalars.append(Unicode.Scalar(byte))
    }
    return pid_t(text)
  }

  private func isAlive(_ process: pid_t) -> Bool { kill(process, 0) == 0 }

  @Test func `The code, the errors and the environment are the program's`() throws {
    let end = try wait(shell("echo \"$WORD\" >&2; exit 76"))
    #expect(end == (76, "a word\n"))
    #expect(try wait(shell("kill -9 $$")).code == 137)
  }

  @Test func `Only the descriptor that is named is kept`() throws {
    var (kept, other): ([Int32], [Int32]) = ([0, 0], [0, 0])
    try #require(pipe(&kept) == 0 && pipe(&other) == 0)
    defer { for end in [kept[0], other[0]] { close(end) } }
    // The program itself is not to have them.
    for end in [kept[1], other[1]] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    let program = try GuardedProgram(
      "/bin/sh", ["-c", "sleep 0.5 <&- >&- 2>&-"], environment: ["PATH": "/usr/bin:/bin"], keeping: kept[1])
    for end in [kept[1], other[1]] { close(end) }
    var byte: UInt8 = 0
    #expect(read(other[0], &byte, 1) == 0 && program.exitCode == nil)
    #expect(read(kept[0], &byte, 1) == 0)
    #expect(try wait(program).code == 0)
  }

  @Test func `A signal reaches the program`() throws {
    let program = try shell("trap 'exit 75' USR1; echo 1 >&2; while :; do sleep 0.05; done")
    #expect(firstNumber(program) == 1)
    program.signal(SIGUSR1)
    #expect(try wait(program).code == 75)
  }

  @Test func `What outlives the program is killed, stopped or not`() throws {
    // The parent of the second one has gone as well.
    let program = try shell("sleep 1000 & kill -STOP $!; echo $! >&2; (setsid sleep 1000 >/dev/null 2>&1 &); exit 3")
    let left = try #require(firstNumber(program))
    let others = ProcessState.descendants(of: program.guardProcess).map(\.id)
    #expect(try wait(program).code == 3)
    #expect(!isAlive(left) && others.allSatisfy { !isAlive($0) })
  }

  @Test func `A program that does not end by itself is ended`() throws {
    let program = try shell("trap '' TERM; echo $$ >&2; while :; do sleep 1; done")
    let process = try #require(firstNumber(program))
    #expect(program.exitCode == nil && isAlive(process))
    program.endAll()
    #expect(try wait(program).code == 137)
    #expect(!isAlive(process))
  }

  @Test func `The list of processes shows what runs and what is stopped`() throws {
    let program = try shell("sleep 1000 & echo $! >&2; wait")
    let sleeper = try #require(firstNumber(program))
    func state() -> ProcessState? { ProcessState.descendants(of: program.guardProcess).first { $0.id == sleeper } }
    /// What the system shows comes a moment later.
    func shows(_ condition: (ProcessState) -> Bool) -> Bool {
      (0..<500).contains { _ in
        if state().map(condition) == true { return true }
        usleep(10_000)
        return false
      }
    }
    #expect(shows { $0.program?.hasSuffix("sleep") == true && !$0.isStopped })
    kill(sleeper, SIGSTOP)
    #expect(shows(\.isStopped))
    #expect(ProcessState.descendants(of: program.guardProcess).map(\.isStopped).sorted { !$0 && $1 } == [false, true])
    program.endAll()
    _ = try wait(program)
  }
}
