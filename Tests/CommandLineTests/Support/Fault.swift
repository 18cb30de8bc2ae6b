import Testing

/// A fault that all ranks see, and the expected error.
struct Fault: Sendable, CustomTestStringConvertible {
  let name: String
  let code: Int32
  let words: [String]
  /// Prepares the folder, in which `run.yaml` trains on three classes of `train-features.npy` and `train-labels.npy`,
  /// and returns the command line.
  let prepare: @Sendable (Workspace) throws -> [String]

  var testDescription: String { name }

  static let train = ["train", "run.yaml", "--run-directory", "run"]
  static let configuration = """
    data: {train: {features: train-features.npy, labels: train-labels.npy}}
    optimizer: {batch_size: 16}
    training: {steps: 4}

    """

  init(
    _ name: String, _ code: Int32, _ words: String..., prepare: @escaping @Sendable (Workspace) throws -> [String]
  ) {
    self.init(name, code, words, prepare: prepare)
  }

  init(_ name: String, _ code: Int32, _ words: [String], prepare: @escaping @Sendable (Workspace) throws -> [String]) {
    self.name = name
    self.code = code
    self.words = words
    self.prepare = prepare
  }

  /// A fault of the configuration's text.
  init(_ name: String, _ code: Int32 = 64, yaml: String, _ words: String...) {
    self.name = name
    self.code = code
    self.words = words
    prepare = { workspace in
      try workspace.write("run.yaml", yaml)
      return Fault.train
    }
  }

  /// A fault of the training data: the configuration names `files`, and `body` changes them.
  init(
    _ name: String, idx: Bool = false, gzip: Bool = false, _ words: String...,
    change body: @escaping @Sendable (Workspace) throws -> Void
  ) {
    self.name = name
    code = 65
    self.words = words
    prepare = { workspace in
      if idx {
        try Examples(40, features: 6, classes: 3).writeIDX(compressed: gzip, to: workspace)
        let end = gzip ? "idx.gz" : "idx"
        try workspace.write(
          "run.yaml", "data: {train: {features: train-features.\(end), labels: train-labels.\(end)}}\n")
      }
      try body(workspace)
      return Fault.train
    }
  }

  /// Runs with one process and with three ranks, each in a folder of its own, and expects one line of error with the
  /// same text.
  ///
  /// The ranks exit together, so that mpirun need not wait a second for them.
  func check() throws {
    var lines: [String] = []
    for ranks in [Ranks.plain, .mpirun(3)] {
      let workspace = Workspace()
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      let outcome = try Program.run(
        ranks, prepare(workspace), in: workspace, environment: ["OMPI_MCA_odls_base_sigkill_timeout": "0"])
      outcome.expectError(code, mentioning: words)
      lines += outcome.errors
      #expect(!workspace.exists("run/model.safetensors") || name.contains("run directory"))
    }
    #expect(lines.count == 2 && lines.first == lines.last, "\(lines)")
  }
}
