import Testing

extension ProcessTests {
  @Suite("Memory of a run")
  struct MemoryTests {
    /// The measured peak of a run of one step, and the value of the formula, in bytes.
    func memory(
      _ name: String, _ layers: String, _ settings: [String], in workspace: Workspace
    ) throws -> (peak: Int, formula: Int) {
      let sets = ["model.layers=\(layers)", "training.steps=1", "optimizer.solver.max_iterations=1"] + settings
      try Program.run(
        .plain, ["train", "run.yaml", "--run-directory", name] + sets.flatMap { ["--set", $0] }, in: workspace
      ).expectSuccess()
      let lines = try workspace.metrics(name)
      let start = try #require(lines.first)
      return (
        try #require(lines.last?.peakMemory),
        try [start.stepMemory, start.evaluationMemory, start.checkpointMemory].reduce(0) { try $0 + #require($1) }
      )
    }

    /// A run with a tiny network shows the memory of the program itself.
    @Test(arguments: [
      (
        "[{linear: 6000}, tanh, {linear: 32}, tanh]",
        ["optimizer.batch_size=full", "optimizer.solver.kind=cg", "optimizer.metric.kind=identity"]
      ),
      (
        "[{linear: 2500}, tanh, {linear: 2500}, relu]",
        ["optimizer.batch_size=8", "optimizer.solver.kind=cg", "optimizer.metric.kind=identity"]
      ),
      (
        "[{linear: 4000}, tanh]",
        ["optimizer.batch_size=full", "optimizer.solver.kind=gram", "optimizer.metric.kind=identity"]
      ),
      ("[{linear: 2500}, tanh, {linear: 2500}, relu]", ["optimizer.batch_size=8", "optimizer.method=adam"]),
      (
        "[{linear: 1500}, tanh, {linear: 1500}, relu]",
        ["optimizer.solver.kind=gram", "optimizer.metric.kind=kronecker", "optimizer.nesterov=true"]
      ),
      (
        "[{convolution: {channels: 24, kernel: 3, padding: 1}}, relu, {max_pool: 2}, flatten]",
        ["optimizer.batch_size=full", "optimizer.solver.kind=measured", "training.precision=float64"]
      ),
    ])
    func `Is as its formula says, with many activations or many parameters`(layers: String, settings: [String]) throws {
      let workspace = Workspace()
      try workspace.write("run.yaml", "{}")
      let small = try memory(
        "small", "[{linear: 1}]", settings.filter { !$0.contains("batch") } + ["optimizer.batch_size=1"], in: workspace)
      let large = try memory("large", layers, settings, in: workspace)
      let measured = Double(large.peak - small.peak)
      let expected = Double(large.formula - small.formula)
      #expect(expected > 5e7, "too little to measure")
      #expect(abs(measured / expected - 1) < 0.1)
      Figures.note("memory, measured / formula", measured / expected)
    }
  }
}
