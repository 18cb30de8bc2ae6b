import Foundation
import LinearAlgebra
import Testing
import Training

extension RecoveryTests {
  @Suite("A checkpoint that cannot be used ends a job with one line of error")
  struct CheckpointFaultTests {
    private static let newest = "run/checkpoints/step-00000004.safetensors"
    private static let resume = Fault.train + ["--resume"]

    /// A fault of a run with checkpoints of steps 2 and 4.
    private static func fault(
      _ name: String, _ code: Int32, _ words: String..., change: @escaping @Sendable (Workspace) throws -> [String]
    ) -> Fault {
      let all = words
      return Fault(
        name, code, all,
        prepare: { workspace in
          try Program.run(Fault.train + ["--set", "checkpoint.every=2"], in: workspace).expectSuccess()
          #expect(workspace.checkpoints("run").count == 2)
          try FileManager.default.removeItem(atPath: workspace.path("run/model.safetensors"))
          return try change(workspace)
        })
    }

    static let faults: [Fault] = [
      fault("truncated", 65, newest) {
        try $0.change(newest) { $0.removeLast(16) }
        return resume + [newest]
      },
      fault("empty", 65, newest) {
        try $0.write(newest, "")
        return resume + [newest]
      },
      fault("one bit flipped in the data", 65, newest, "checksum") {
        try $0.change(newest) { $0[$0.count - 9] ^= 0x40 }
        return resume + [newest]
      },
      fault("one bit flipped in the metadata", 65, newest) {
        try $0.change(newest) { $0[300] ^= 1 }
        return resume + [newest]
      },
      fault("the newest damaged", 65, newest, "--resume run/checkpoints/step-00000002.safetensors") {
        try $0.change(newest) { $0[$0.count - 9] ^= 0x40 }
        return resume
      },
      fault("missing", 66, "run/checkpoints/step-00000003.safetensors") { _ in
        resume + ["run/checkpoints/step-00000003.safetensors"]
      },
      fault("no checkpoint but a configuration", 65, "run.yaml") { _ in resume + ["run.yaml"] },
      fault("other batch size", 64, "optimizer.batch_size", "8", "16") { _ in
        resume + ["--set", "optimizer.batch_size=8"]
      },
      fault("other method", 64, "optimizer.method", "adam", "fgn") { _ in
        resume + ["--set", "optimizer.method=adam"]
      },
      fault("momentum switched off", 64, "optimizer.momentum", "0.9") { _ in
        resume + ["--set", "optimizer.momentum=0"]
      },
      fault("other seed", 64, "training.seed", "5", "0") { _ in resume + ["--set", "training.seed=5"] },
      fault("other precision", 64, "training.precision", "float64", "float32") { _ in
        resume + ["--set", "training.precision=float64"]
      },
      fault("other data", 64, "data.train", "41 examples", "40") {
        try Examples(41, features: 6, classes: 3).write(to: $0)
        return resume
      },
    ]

    @Test(arguments: faults) func `One line of error`(fault: Fault) throws { try fault.check() }

    @Test func `The run goes on from the checkpoint that the error names`() throws {
      let workspace = Workspace()
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      try Program.run(Fault.train + ["--set", "checkpoint.every=2"], in: workspace).expectSuccess()
      let model = try workspace.bytes("run/model.safetensors")
      try workspace.change(Self.newest) { $0[$0.count - 9] ^= 0x40 }
      let good = "run/checkpoints/step-00000002.safetensors"
      try Program.run(Self.resume + [good, "--set", "checkpoint.every=2"], in: workspace).expectSuccess()
      #expect(try workspace.bytes("run/model.safetensors") == model)
      try workspace.expectEveryStepOnce("run", 4)
    }

    @Test func `Falling back goes on from the newest intact one and says so`() throws {
      let workspace = Workspace()
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      let every = ["--set", "checkpoint.every=1"]
      try Program.run(Fault.train + every, in: workspace).expectSuccess()
      let model = try workspace.bytes("run/model.safetensors")
      try workspace.change(Self.newest) { $0.removeLast(9) }
      try workspace.write("run/checkpoints/step-00000003.safetensors", "")
      for ranks in [Ranks.plain, .mpirun(2)] {
        try FileManager.default.copyItem(atPath: workspace.path("run"), toPath: workspace.path("\(ranks)"))
        let arguments = ["train", "run.yaml", "--run-directory", "\(ranks)", "--resume", "--fall-back"] + every
        let outcome = try Program.run(ranks, arguments, in: workspace)
        outcome.expectSuccess()
        #expect(outcome.output.contains("resuming after step 2"))
        for step in 3...4 {
          #expect(outcome.output.contains(try Regex("warning: .*damaged: .*step-0000000\(step)")), "\(outcome.output)")
        }
        if case .plain = ranks { #expect(try workspace.bytes("plain/model.safetensors") == model) }
        try workspace.expectEveryStepOnce("\(ranks)", 4)
      }
    }

    /// Bits are flipped, and bytes are cut off, inserted, repeated and exchanged, at random places.
    @Test func `Two hundred mutations are all noticed`() throws {
      let workspace = Workspace()
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      try Program.run(Fault.train + ["--set", "checkpoint.every=2"], in: workspace).expectSuccess()
      let good = try workspace.bytes(Self.newest)
      try FileManager.default.removeItem(atPath: workspace.path("run/model.safetensors"))
      var generator = SplitMix64(seed: 11)
      func place(_ count: Int) -> Int { Int(generator.next(below: UInt64(count))) }
      for number in 0..<200 {
        var bytes = good
        switch number % 5 {
        case 0: bytes[place(bytes.count)] ^= 1 << UInt8(place(8))
        case 1: bytes.removeLast(1 + place(bytes.count))
        case 2: bytes.insert(UInt8(place(256)), at: place(bytes.count + 1))
        case 3:
          let start = place(bytes.count - 64)
          bytes.insert(contentsOf: bytes[start..<start + 1 + place(63)], at: start)
        default:
          let (one, other) = (place(bytes.count / 2), bytes.count / 2 + place(bytes.count / 2))
          bytes.swapAt(one, other)
          if bytes == good { bytes[one] ^= 0x80 }
        }
        try workspace.write(Self.newest, bytes)
        let error = #expect(throws: StorageError.self, "mutation \(number)") {
          try Safetensors.load(path: workspace.path(Self.newest), requireChecksum: true)
        }
        #expect(error?.kind == .contents)
        // The program behaves in the same way each time, so a sample is enough.
        guard number % 8 == 0 else { continue }
        let outcome = try Program.run(Self.resume, in: workspace)
        outcome.expectError(65, mentioning: [Self.newest, "--resume run/checkpoints/step-00000002.safetensors"])
        #expect(!workspace.exists("run/model.safetensors"), "mutation \(number) was loaded")
      }
    }

    @Test func `A model is no checkpoint`() throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "training: {steps: 2}")
      try Program.run(Fault.train, in: workspace).expectSuccess()
      try Program.run(Self.resume + ["run/model.safetensors"], in: workspace)
        .expectError(65, mentioning: ["run/model.safetensors", "fgn.progress"])
    }

    @Test(arguments: [["inspect"], ["evaluate"], ["predict"]])
    func `Every command refuses a damaged model`(command: [String]) throws {
      let workspace = Workspace()
      try Examples(9, features: 64, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", "training: {steps: 2}")
      try Program.run(Fault.train, in: workspace).expectSuccess()
      try workspace.change("run/model.safetensors") { $0[$0.count - 3] ^= 1 }
      let options = command == ["predict"] ? ["--features", "train-features.npy", "--classes", "out.npy"] : []
      for ranks in [Ranks.plain, .mpirun(2)] {
        try Program.run(ranks, command + ["run/model.safetensors"] + options, in: workspace)
          .expectError(65, mentioning: ["run/model.safetensors", "checksum"])
      }
      #expect(!workspace.exists("out.npy"))
    }
  }
}
