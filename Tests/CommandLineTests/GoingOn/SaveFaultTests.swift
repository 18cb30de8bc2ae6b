import Foundation
import LinearAlgebra
import Testing
import Training

extension RecoveryTests {
  /// Makes each system call of a save fail, or kills the process at it, with strace.
  @Suite("A fault within a save", .enabled("strace is not installed, or may not trace here") { Strace.works })
  struct SaveFaultTests {
    private static let steps = 60

    private func prepare(every: Int) throws -> Workspace {
      let workspace = Workspace()
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try workspace.write(
        "run.yaml",
        Fault.configuration.replacing("steps: 4", with: "steps: \(Self.steps)")
          .replacing("batch_size: 16", with: "batch_size: 16, solver: {kind: cg}")
          + "checkpoint: {every: \(every), keep: 2}\n")
      try Program.run(["train", "run.yaml", "--run-directory", "whole"], in: workspace).expectSuccess()
      return workspace
    }

    @Test(arguments: Thoroughness.isFull ? ["ENOSPC", "EIO", "KILL"] : ["ENOSPC", "KILL"])
    func `Leaves a good checkpoint, from which the run goes on to the same bytes`(fault: String) throws {
      let workspace = try prepare(every: 1)
      // In a late save, calls have numbers that no other thread's calls reach.
      let calls = try Strace.calls(of: Fault.train, in: workspace) { $0.contains("/.step-00000050") }
      try check(calls, fault, in: workspace, newest: 49)
    }

    @Test(arguments: Thoroughness.isFull ? ["ENOSPC", "KILL"] : ["KILL"])
    func `Of the model leaves a good checkpoint`(fault: String) throws {
      let workspace = try prepare(every: 0)
      let calls = try Strace.calls(of: Fault.train, in: workspace) { $0.contains("/.model.safetensors") }
      try check(calls, fault, in: workspace, newest: Self.steps)
    }

    private func check(_ calls: [Strace.Call], _ fault: String, in workspace: Workspace, newest: Int) throws {
      #expect(Set(calls.map(\.name)).isSuperset(of: ["openat", "write", "fsync", "close", "rename"]))
      #expect(calls.count >= 9)
      for call in calls {
        try? FileManager.default.removeItem(atPath: workspace.path("run"))
        let outcome = try Child(Strace.command(fault, at: call) + [Program.path] + Fault.train, in: workspace).wait()
        if fault == "KILL" {
          #expect(outcome.code == 137, "\(call)")
        } else if call.mustSucceed || outcome.code != 0 {
          #expect(outcome.code == 74, "\(call)")
          outcome.expectError(74, mentioning: ["run/"])
        }
        let steps = workspace.checkpoints("run").compactMap { Int($0.dropFirst(5).dropLast(12)) }
        #expect(try #require(steps.max()) >= newest, "\(call)")
        for name in workspace.checkpoints("run") {
          _ = try Safetensors.load(path: workspace.path("run/checkpoints/\(name)"), requireChecksum: true)
        }
        let resumed = try Program.run(Fault.train + ["--resume"], in: workspace)
        resumed.expectSuccess()
        #expect(resumed.output.contains("resuming after step"))
        #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"), "\(call)")
        try workspace.expectEveryStepOnce("run", Self.steps)
        #expect(!workspace.names("run/checkpoints").contains { $0.hasPrefix(".") }, "a temporary is left: \(call)")
      }
      Figures.note("faults within a save, \(fault)", calls.count)
    }

    @Test func `That nobody reports is found where the checkpoint is read again`() throws {
      let workspace = try prepare(every: 1)
      let arguments = Fault.train + ["--set", "checkpoint.verify=true"]
      let calls = try Strace.calls(of: arguments, in: workspace) { $0.contains("/.step-00000050") }
      // The system says that it has written eight bytes, and has not.
      let write = try #require(calls.last { $0.name == "write" })
      let outcome = try Child(Strace.command("retval=8", at: write) + [Program.path] + arguments, in: workspace).wait()
      outcome.expectError(74, mentioning: ["step-00000050.safetensors", "read back"])
      #expect(workspace.names("run/checkpoints").contains("step-00000050.safetensors.damaged"))
      #expect(workspace.checkpoints("run").contains("step-00000049.safetensors"))
      try Program.run(Fault.train + ["--resume"], in: workspace).expectSuccess()
      #expect(try workspace.bytes("run/model.safetensors") == workspace.bytes("whole/model.safetensors"))
    }

    @Test func `Ends a job with one line and the same code everywhere`() throws {
      let workspace = try prepare(every: 1)
      let calls = try Strace.calls(of: Fault.train, in: workspace) { $0.contains("/.step-00000050") }
      let call = try #require(calls.first { $0.name == "fsync" })
      let part = ["-np", "1"]
      let outcome = try Child(
        Program.launcher + part + Strace.command("ENOSPC", at: call) + [Program.path] + Fault.train + [":"] + part
          + [Program.path] + Fault.train, in: workspace
      ).wait()
      outcome.expectError(74, mentioning: ["run/checkpoints/step-", "fsync", "free space"])
      let resumed = try Program.run(.mpirun(2), Fault.train + ["--resume"], in: workspace)
      resumed.expectSuccess()
      try workspace.expectEveryStepOnce("run", Self.steps)
    }
  }
}

/// Faults in system calls, injected from outside.
enum Strace {
  /// A system call, numbered on its thread.
  struct Call: CustomStringConvertible {
    let name: String
    let number: Int
    /// Whether a save fails without the call. Folders may fail to close, and files to be removed may be missing.
    let mustSucceed: Bool

    var description: String { "\(name) number \(number)" }
  }

  static let works: Bool = {
    let workspace = Workspace()
    return (try? Child(["strace", "-qq", "-e", "trace=none", "true"], in: workspace).wait().code) == 0
  }()

  private static let names = [
    "openat", "write", "fsync", "close", "rename", "unlink", "getdents64",
  ]

  /// Sets the kernels that the program would choose, since a restart of the program would add calls of its own.
  private static let strace = [
    "strace", "-f", "-E",
    "\(Kernels.variable)=\(Kernels.better(environment: Program.environment) ?? Kernels.name)",
  ]

  /// The command before the program that injects one fault: an errno, the signal that kills it, or words of strace.
  static func command(_ fault: String, at call: Call) -> [String] {
    let effect = fault == "KILL" ? "signal=KILL" : fault.contains("=") ? fault : "error=\(fault)"
    return strace + ["-qq", "-o", "/dev/null", "-e", "inject=\(call.name):\(effect):when=\(call.number)"]
  }

  /// The calls of a successful run that write one file: from the first to the last for which `isPart` holds, and the
  /// following ones on that thread up to the next file. Only calls with numbers that no other thread reaches are
  /// included.
  static func calls(
    of arguments: [String], in workspace: Workspace, where isPart: (Substring) -> Bool
  ) throws -> [Call] {
    let trace = workspace.path("trace")
    try Child(
      strace + ["-y", "-o", trace, "-e", "trace=\(names.joined(separator: ","))", Program.path] + arguments,
      in: workspace
    ).wait().expectSuccess()
    try FileManager.default.removeItem(atPath: workspace.path("run"))
    var counts: [Substring: [String: Int]] = [:]
    var writer: Substring?
    var isWriting = false
    var result: [Call] = []
    for line in try String(contentsOfFile: trace, encoding: .utf8).split(separator: "\n") {
      guard let (_, thread, name) = line.firstMatch(of: /^(\d+) +(\w+)\(/)?.output else { continue }
      counts[thread, default: [:]][String(name), default: 0] += 1
      if isPart(line) {
        writer = writer ?? thread
        isWriting = true
      } else if line.contains(".tmp-"), thread == writer {
        isWriting = false
      }
      if isWriting, thread == writer {
        let mustSucceed = name == "getdents64" || name != "unlink" && line.contains(".tmp-")
        result.append(
          Call(name: String(name), number: counts[thread]![String(name)]!, mustSucceed: mustSucceed))
      }
    }
    return result.filter { call in
      counts.allSatisfy { $0.key == writer || $0.value[call.name] ?? 0 < call.number }
    }
  }
}
