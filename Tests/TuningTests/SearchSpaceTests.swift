import Testing
import Training
import Tuning

@Suite struct SearchSpaceTests {
  private func space(_ over: [String], layers: String = "[]", isPath: Bool = false) throws -> SearchSpace {
    try SearchSpace([over.map { try SearchAxis($0) }], isPath: isPath) { tried in
      try Configuration.parse("model: {layers: \(layers)}", source: "test", tried: tried).resolved()
    }
  }

  @Test func `A list has the values between its commas outside of brackets`() throws {
    #expect(try SearchAxis("optimizer.method=fgn,adam").values == ["fgn", "adam"])
    #expect(
      try SearchAxis("model.layers=[],[{linear: 64}, tanh]").values == ["[]", "[{linear: 64}, tanh]"])
    #expect(try SearchAxis("optimizer.weight_decay=0").values == ["0"])
  }

  @Test func `A range has values at equal ratios with both its ends, whole ones between whole ends`() throws {
    #expect(try SearchAxis("a=1e-4:1e-2:5").values == ["0.0001", "0.000316", "0.001", "0.00316", "0.01"])
    #expect(try SearchAxis("a=128:1024:4").values == ["128", "256", "512", "1024"])
    // Rounding makes some equal.
    #expect(try SearchAxis("a=1:5:9").values == ["1", "2", "3", "4", "5"])
    #expect(try SearchAxis("a=1e-3:1.001e-3:9").values == ["0.001"])
  }

  @Test(arguments: [
    ("optimizer.method", "is not KEY=VALUES"), ("=1", "is not KEY=VALUES"), ("a=", "is not KEY=VALUES"),
    ("a=0:1:3", "0 < LOW < HIGH"), ("a=1:2:1", "2 to 1000 values"), ("a=1:2:1001", "2 to 1000 values"),
    ("a=1e-300:1e300:3", "0 < LOW < HIGH"), ("a=2:1:3", "0 < LOW < HIGH"),
    ("a=1:2:x", "0 < LOW < HIGH"), ("a=1,,2", "an empty value"), ("a=1,2,1", "has 1 twice"),
  ])
  func `What is no axis is an error with the text and the remedy`(text: String, problem: String) {
    let error = #expect(throws: ConfigurationError.self) { try SearchAxis(text) }
    #expect(error?.source == "--over \(text)")
    #expect(error?.problem.contains(problem) == true)
  }

  @Test func `A space is the product of its axes, without settings that train the same`() throws {
    let space = try space(["optimizer.method=fgn,adam", "optimizer.damping.initial=0.1,1"])
    #expect(space.keys == ["optimizer.method", "optimizer.damping.initial"])
    // Adam reads no damping.
    #expect(space.settings.map(\.values) == [["fgn", "0.1"], ["fgn", "1"], ["adam", ""]])
    #expect(space.settings.map(\.number) == [1, 2, 3])
    #expect(!space.isPath)
    // Runs that end with their steps have no tolerance.
    let ends = try self.space(["training.until=steps,optimum", "training.tolerance=1e-3,1e-2"])
    #expect(ends.settings.map(\.values) == [["steps", ""], ["optimum", "1e-3"], ["optimum", "1e-2"]])
  }

  @Test func `Settings with a later value of an axis that says so join late`() throws {
    let axes = [
      SearchAxis("optimizer.momentum", ["0", "0.5"]),
      SearchAxis("optimizer.weight_decay", ["1e-4", "1e-2", "0"], early: 1),
    ]
    let space = try SearchSpace([axes]) { tried in
      try Configuration.parse("{}", source: "test", tried: tried).resolved()
    }
    #expect(space.settings.map(\.joinsLate) == [false, true, true, false, true, true])
    #expect(try self.space(["optimizer.weight_decay=1e-4,1e-2"]).settings.allSatisfy { !$0.joinsLate })
  }

  @Test func `Weight decays of a linear head are a path from strong to weak for each of the other settings`() throws {
    let space = try space(["optimizer.weight_decay=1e-4,1e-2,1e-3", "optimizer.damping.initial=1,2"], isPath: true)
    // 1: 1e-4 with λ 1, 2: 1e-4 with λ 2, 3: 1e-2, 4, 5: 1e-3, 6.
    #expect(space.settings.map(\.warmStart) == [5, 6, nil, nil, 3, 4])
    #expect(space.ordered.map(\.number) == [3, 5, 1, 4, 6, 2])
  }

  @Test func `Settings that go on to their optimum begin with the model of the next stronger weight decay`() throws {
    let over = ["training.until=steps,optimum", "optimizer.weight_decay=1e-4,1e-2,1e-3"]
    let space = try space(over)
    #expect(space.settings.map(\.reachesOptimum) == [false, false, false, true, true, true])
    #expect(space.settings.map(\.warmStart) == [nil, nil, nil, 6, nil, 5])
    // Where there are several optima, each begins from the start.
    let deep = try self.space(over, layers: "[{linear: 4}, tanh]")
    #expect(deep.settings.allSatisfy { $0.warmStart == nil })
  }

  @Test func `Without weight decays, and with hidden layers, there is no path`() throws {
    for (over, layers) in [
      ("optimizer.momentum=0,0.9", "[]"), ("optimizer.weight_decay=1e-4,1e-2", "[{linear: 4}, tanh]"),
    ] {
      let error = #expect(throws: ConfigurationError.self) { try space([over], layers: layers, isPath: true) }
      #expect(error?.source == "--path")
    }
    // A warm start would become what the parameters decay to.
    let initial = ["optimizer.weight_decay=1e-4,1e-2", "optimizer.decay_to=initial"]
    let error = #expect(throws: ConfigurationError.self) { try space(initial, isPath: true) }
    #expect(error?.problem.contains("optimizer.decay_to: initial") == true)
    #expect(try space(["optimizer.weight_decay=1e-4,1e-2"]).settings.allSatisfy { $0.warmStart == nil })
  }

  @Test(arguments: [
    ["data.normalize=none,scale"], ["training.seed=1,2"], ["training.best_by=loss,accuracy"], ["logging.every=1,2"],
    ["optimizer.momentum=0,0.9", "optimizer.momentum=0.5"],
  ])
  func `What all settings of a search share is no axis, and neither is a key twice`(over: [String]) {
    #expect(throws: ConfigurationError.self) { try space(over) }
  }

  @Test func `An impossible value is an error that names its key`() {
    let error = #expect(throws: ConfigurationError.self) { try space(["optimizer.momentum=0.9,2"]) }
    #expect(error.map { "\($0)" }?.contains("optimizer.momentum") == true)
  }
}
