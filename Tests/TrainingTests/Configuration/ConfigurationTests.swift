import Datasets
import Foundation
import GaussNewton
import TestSupport
import Testing

@testable import Training

@Suite struct ConfigurationTests {
  /// All keys with their defaults, as documented.
  static let defaults: [(key: String, value: String)] = [
    ("data.train.features", "null"), ("data.train.labels", "null"), ("data.train.format", "auto"),
    ("data.train.label_column", "last"), ("data.test.label_column", "last"),
    ("data.test.features", "null"), ("data.test.labels", "null"), ("data.test.format", "auto"),
    ("data.validation.features", "null"), ("data.validation.labels", "null"), ("data.validation.format", "auto"),
    ("data.validation.label_column", "last"), ("data.validation.fraction", "null"),
    ("data.validation.fold", "null"),
    ("data.train.weights", "null"), ("data.test.weights", "null"), ("data.class_weights", "null"),
    ("data.storage", "auto"), ("data.index_base", "auto"), ("data.header", "auto"), ("data.ignore_label", "null"),
    ("data.normalize", "scale"), ("data.classes", "null"), ("model.layers", "[]"), ("model.bias", "true"),
    ("model.head.shard", "auto"), ("model.input_shape", "null"), ("model.channels", "first"),
    ("model.initialization", "auto"),
    ("optimizer.method", "fgn"), ("optimizer.batch_size", "512"), ("optimizer.learning_rate", "0.3"),
    ("optimizer.schedule.kind", "linear"), ("optimizer.schedule.warmup", "0"), ("optimizer.schedule.final", "0"),
    ("optimizer.damping.initial", "0.3"), ("optimizer.damping.policy", "levenberg-marquardt"),
    ("optimizer.damping.minimum", "0.3"), ("optimizer.damping.maximum", "1000000"),
    ("optimizer.damping.factor", "2"), ("optimizer.damping.interval", "10"), ("optimizer.solver.kind", "auto"),
    ("optimizer.solver.tolerance", "0.1"), ("optimizer.solver.gram_tolerance", "0.01"),
    ("optimizer.solver.max_iterations", "50"), ("optimizer.step_length", "unit"), ("optimizer.momentum", "0.9"),
    ("optimizer.nesterov", "false"), ("optimizer.adam.beta1", "0.9"), ("optimizer.adam.beta2", "0.999"),
    ("optimizer.adam.epsilon", "1e-8"), ("optimizer.adam.decoupled_weight_decay", "false"),
    ("optimizer.allreduce", "auto"), ("optimizer.weight_decay", "0"), ("optimizer.decay_biases", "true"),
    ("optimizer.decay_to", "zero"),
    ("optimizer.metric.kind", "identity"), ("optimizer.metric.epsilon", "0.1"), ("optimizer.metric.decay", "0.95"),
    ("optimizer.metric.interval", "10"), ("training.epochs", "10"),
    ("training.steps", "null"), ("training.until", "steps"), ("training.tolerance", "1e-6"),
    ("training.max_passes", "5000"), ("training.seed", "0"),
    ("training.precision", "float32"), ("training.drop_last", "false"), ("training.shuffle_block", "1"),
    ("training.shuffle_window", "1"),
    ("training.stratify", "false"), ("training.label_smoothing", "0"),
    ("training.evaluate_every", "1"), ("training.evaluate_every_steps", "null"),
    ("training.keep", "last"), ("training.best_by", "loss"), ("training.patience", "null"),
    ("training.average.kind", "none"), ("training.average.from", "0.5"), ("training.average.decay", "0.999"),
    ("training.on_divergence.kind", "stop"), ("training.on_divergence.limit", "10"),
    ("training.peer_timeout", "10.0"), ("training.stall_timeout", "1800.0"),
    ("training.reproducible", "false"), ("training.virtual_shards", "12"),
    ("checkpoint.every", "200"), ("checkpoint.every_minutes", "0.0"), ("checkpoint.keep", "3"),
    ("checkpoint.verify", "false"), ("checkpoint.mirror", "null"), ("logging.every", "1"), ("logging.progress", "auto"),
    ("logging.tensorboard", "true"), ("logging.histograms_every", "100"), ("logging.ranks_every", "100"),
    ("logging.traffic", "false"), ("logging.prometheus", "null"),
  ]

  /// Another value for each key that can be set alone.
  static let others: [(key: String, value: String)] = [
    ("data.train.format", "npy"), ("data.test.format", "idx"), ("data.normalize", "standardize"),
    ("data.train.label_column", "first"), ("data.test.label_column", "kind"), ("data.validation.fraction", "0.25"),
    ("data.validation.fold", "2/5"),
    ("data.validation.format", "npz"), ("data.validation.label_column", "3"),
    ("data.classes", "12"), ("optimizer.method", "ggn"), ("data.train.weights", "w.npy"),
    ("data.ignore_label", "-1"), ("data.ignore_label", "unknown"),
    ("data.class_weights", "balanced"), ("data.class_weights", "[1, 0, 0.3, 1e-3]"),
    ("data.class_weights", "[0.1, 0.30000000000000004, 123456.78901234567]"),
    ("model.initialization", "start.safetensors"),
    ("model.layers", "[{linear: 64}, tanh, {residual: [layer_norm, {linear: 64}]}]"),
    ("model.layers", "[{convolution: {channels: 3, kernel: 2}}, {max_pool: 2}, global_average_pool]"),
    ("model.bias", "false"), ("model.head.shard", "classes"), ("model.input_shape", "[3, 4, 5]"),
    ("model.channels", "last"),
    ("optimizer.batch_size", "full"),
    ("optimizer.batch_size", "17"), ("optimizer.learning_rate", "0.7"), ("optimizer.schedule.kind", "cosine"),
    ("optimizer.schedule.warmup", "40"), ("optimizer.schedule.final", "0.1"), ("optimizer.damping.initial", "2e-2"),
    ("optimizer.damping.policy", "sweep"), ("optimizer.damping.interval", "3"), ("optimizer.damping.minimum", "1e-5"),
    ("optimizer.damping.maximum", "100"), ("optimizer.damping.factor", "3"), ("optimizer.solver.kind", "cg"),
    ("optimizer.solver.tolerance", "1e-8"), ("optimizer.solver.gram_tolerance", "1e-3"),
    ("optimizer.solver.kind", "measured"), ("optimizer.allreduce", "measured"),
    ("optimizer.solver.max_iterations", "7"),
    ("optimizer.allreduce", "bucketed"),
    ("optimizer.step_length", "line-search"), ("optimizer.momentum", "0"), ("optimizer.weight_decay", "1e-4"),
    ("optimizer.decay_biases", "false"),
    ("optimizer.decay_to", "initial"), ("optimizer.metric.kind", "kronecker"), ("optimizer.metric.epsilon", "1e-2"),
    ("optimizer.metric.decay", "0.9"), ("optimizer.metric.interval", "5"),
    ("training.epochs", "3"), ("training.steps", "99"), ("training.until", "optimum"),
    ("training.tolerance", "1e-9"), ("training.max_passes", "77"), ("training.seed", "18446744073709551615"),
    ("training.precision", "float64"), ("training.drop_last", "true"), ("training.shuffle_block", "16"),
    ("training.shuffle_window", "8"),
    ("training.stratify", "true"), ("training.label_smoothing", "0.1"),
    ("training.evaluate_every", "0"), ("training.evaluate_every_steps", "25"),
    ("training.best_by", "balanced_accuracy"), ("training.average.kind", "tail"),
    ("training.average.from", "0"), ("training.average.decay", "0.97"), ("training.on_divergence.kind", "back-off"),
    ("training.on_divergence.limit", "3"), ("training.peer_timeout", "20.0"), ("training.stall_timeout", "0.0"),
    ("training.reproducible", "true"), ("training.virtual_shards", "7"),
    ("checkpoint.every", "0"), ("checkpoint.every_minutes", "2.5"), ("checkpoint.keep", "1"),
    ("checkpoint.every_minutes", "auto"), ("checkpoint.mirror", "copies"), ("checkpoint.verify", "true"),
    ("logging.every", "10"), ("logging.progress", "none"),
    ("logging.tensorboard", "false"), ("logging.histograms_every", "0"), ("logging.ranks_every", "7"),
    ("logging.traffic", "true"), ("logging.prometheus", "run.prom"),
  ]

  func parse(_ text: String, _ overrides: String...) throws -> Configuration {
    try Configuration.parse(text, source: "test.yaml", overrides: overrides)
  }

  @Test func `A summary has the damping of the first step`() throws {
    for (overrides, text) in [
      ([], "damping 0.3 levenberg"), (["initial=0.001"], "damping 0.3 (its bound, instead of 0.001) levenberg"),
      (["initial=5", "maximum=2"], "damping 2 (its bound, instead of 5) levenberg"),
      (["initial=0.001", "policy=constant"], "damping 0.001 constant"),
    ] {
      let summary = try Configuration.parse("", source: "", overrides: overrides.map { "optimizer.damping.\($0)" })
        .optimizer.summary()
      #expect(summary.contains(", \(text)"), "\(summary)")
    }
  }

  @Test func `Every key has its documented default`() throws {
    let overrides = Self.defaults.map { "\($0.key)=\($0.value)" }
    #expect(try Configuration.parse("", source: "", overrides: overrides) == Configuration())
    // No key is missing from the list.
    let leaves = Configuration().yaml.split(separator: "\n").count { $0.contains(": ") }
    #expect(leaves == Self.defaults.count)
  }

  @Test(arguments: others.map { [$0.key, $0.value] }, ["null", "~", ""])
  func `What is null has its default, in a document and after other values`(pair: [String], null: String) throws {
    #expect(try parse("", "\(pair[0])=\(pair[1])", "\(pair[0])=\(null)") == parse(""))
    let path = pair[0].split(separator: ".")
    let document =
      path.dropLast().map { "{\($0): " }.joined() + "{\(path.last!): \(null)" + path.map { _ in "}" }.joined()
    #expect(try parse(document) == parse(""))
    let section = path.dropLast().joined(separator: ".")
    #expect(try parse("", "\(pair[0])=\(pair[1])", "\(section)=\(null)") == parse(""))
  }

  @Test func `The word null in quotes is text`() throws {
    let configuration = try parse("data: {train: {label_column: 'null'}}", "data.ignore_label='~'")
    #expect(configuration.data.train.labelColumn == "null" && configuration.data.ignoreLabel == .text("~"))
    #expect(try parse(configuration.yaml) == configuration)
  }

  @Test(arguments: others.map { [$0.key, $0.value] })
  func `An override changes its key and nothing else`(pair: [String]) throws {
    let changed = try parse("", "\(pair[0])=\(pair[1])")
    #expect(changed != Configuration())
    let original = try #require(Self.defaults.first { $0.key == pair[0] })
    // Some defaults follow from others, and stand in what is written out.
    let unset = try Configuration.automaticKeys.map { "\($0)=null" }
    let overrides = ["\(original.key)=\(original.value)"] + unset
    #expect(try Configuration.parse(changed.yaml, source: "", overrides: overrides) == Configuration())
  }

  @Test(arguments: others.map { [$0.key, $0.value] })
  func `What is written out is read back the same`(pair: [String]) throws {
    let configuration = try parse("", "\(pair[0])=\(pair[1])")
    #expect(try parse(configuration.yaml) == configuration)
  }

  @Test func `Numbers survive the round trip to the last bit`() throws {
    for number in [0.1, 1.0 / 3, 1e-300, 123_456.789e-7, Double.leastNormalMagnitude, 1.0.nextUp] {
      var configuration = Configuration()
      configuration.optimizer.learningRate = number
      #expect(try parse(configuration.yaml).optimizer.learningRate == number)
    }
  }

  @Test func `Numbers are written as a person would write them`() throws {
    let yaml = Configuration().yaml
    for line in ["initial: 0.3", "maximum: 1000000", "momentum: 0.9", "learning_rate: 0.3", "minimum: 0.3"] {
      #expect(yaml.contains("\(line)\n"), "\(yaml)")
    }
  }

  @Test func `Text survives the round trip whatever it looks like`() throws {
    for text in [
      "null", "~", "12", "true", "a: b", "#x", "'", "\"", " spaces ", "ünïcode/数", "- x", "{}", "1e3", "a\\b",
    ] {
      var configuration = Configuration()
      configuration.data.train = .init(features: FileList(text), labels: "l")
      #expect(try parse(configuration.yaml) == configuration, "\(text)")
    }
  }

  @Test func `The document goes over the defaults and overrides over both in their order`() throws {
    let text = "training: {epochs: 3, seed: 7}\noptimizer: {damping: {initial: 2}}"
    let configuration = try parse(text, "training.epochs=4", "training.epochs=5", "optimizer.damping.factor=2")
    #expect(configuration.training.epochs == 5)
    #expect(configuration.training.seed == 7)
    #expect(configuration.optimizer.damping.initial == 2)
    #expect(configuration.optimizer.damping.factor == 2)
    #expect(configuration.optimizer.damping.minimum == 0.3)
  }

  @Test func `Null unsets a setting that may be absent`() throws {
    let text = "training: {steps: 5}\ndata: {classes: 4}"
    #expect(try parse(text).training.steps == 5)
    for nothing in ["null", "~", ""] {
      let configuration = try parse(text, "training.steps=\(nothing)", "data.classes=\(nothing)")
      #expect(configuration == Configuration(), "'\(nothing)'")
    }
  }

  @Test(arguments: ["", "\n# nothing\n", "---\n", "optimizer:\n", "optimizer: {}\n", "optimizer: null", "{}", "null"])
  func `An empty document or section leaves the defaults`(text: String) throws {
    #expect(try parse(text) == Configuration())
  }

  @Test func `A section may be overridden as a whole`() throws {
    let configuration = try parse("", "optimizer.damping={initial: 5, policy: sweep}")
    #expect(configuration.optimizer.damping.initial == 5)
    #expect(configuration.optimizer.damping.policy == .sweep)
    #expect(configuration.optimizer.damping.factor == 2)
  }

  @Test func `A word for a section is its kind, and leaves its other keys`() throws {
    #expect(try parse("training: {average: ema}") == parse("training: {average: {kind: ema}}"))
    let tail = try parse("training: {average: {kind: ema, from: 0.25}}", "training.average=tail")
    #expect(tail.training.average.kind == .tail && tail.training.average.from == 0.25)
    let (schedule, solver) = ("optimizer.schedule=constant", "optimizer.solver=cg")
    let optimizer = try parse("optimizer: {solver: {tolerance: 0.5}}", schedule, solver).optimizer
    #expect(optimizer.schedule.kind == .constant && optimizer.solver.kind == .cg && optimizer.solver.tolerance == 0.5)
    #expect(try parse("training: {average: ema}", "training.average=null") == parse(""))
  }

  @Test func `JSON is YAML`() throws {
    let configuration = try parse(#"{"training": {"epochs": 3}, "data": {"normalize": "none"}}"#)
    #expect(configuration.training.epochs == 3)
    #expect(configuration.data.normalize == .none)
  }

  @Test func `A value may hold an equals sign`() throws {
    #expect(try parse("", "model.initialization=a=b").model.initialization == "a=b")
  }

  @Test func `The example files parse`() throws {
    let folder = Repository.root.appending(path: "configs")
    let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".yaml") }
    #expect(names.contains("digits.yaml"))
    for name in names {
      let configuration = try Configuration.load(path: folder.appendingPathComponent(name).path)
      #expect(try parse(configuration.yaml) == configuration, "\(name)")
    }
  }

  @Test(arguments: [("fgn", "0.3"), ("ggn", "0.3"), ("sgd", "0.1"), ("adam", "0.001")])
  func `Without a learning rate each method has its own, and the complete configuration shows it`(
    method: String, rate: String
  ) throws {
    for override in ["optimizer.weight_decay=0", "optimizer.learning_rate=null", "optimizer.learning_rate="] {
      let configuration = try parse("optimizer: {method: \(method)}", override)
      #expect("\(configuration.optimizer.learningRate)" == "\(try #require(Double(rate)))")
      #expect(configuration.yaml.contains("learning_rate: \(rate)\n"), "\(configuration.yaml)")
      #expect(try parse(configuration.yaml) == configuration)
    }
    #expect(try parse("optimizer: {learning_rate: 0.5}", "optimizer.method=\(method)").optimizer.learningRate == 0.5)
  }

  @Test(arguments: [
    ("", 0.3, "identity", 0.3), ("model: {initialization: start.safetensors}", 0.1, "identity", 0.9),
    ("model: {layers: [{linear: 8}, tanh]}", 0.2, "kronecker", 1),
    ("model: {layers: [{linear: 8}, tanh]}\noptimizer: {metric: {kind: identity}}", 0.2, "identity", 0.3),
    ("model: {layers: [tanh]}", 0.3, "identity", 0.3),
    ("model: {layers: [{residual: [{convolution: {channels: 3, kernel: 1}}]}, {linear: 8}]}", 0.2, "identity", 0.3),
    ("optimizer: {metric: {kind: kronecker}}", 0.3, "kronecker", 1),
    ("optimizer: {metric: {kind: outputs}}", 0.3, "outputs", 0.3),
    ("optimizer: {metric: {kind: diagonal}}", 0.3, "diagonal", 0.3),
    ("model: {layers: [{linear: 8}, tanh], initialization: start.safetensors}", 0.2, "kronecker", 1),
    ("model: {layers: [{linear: 8}, tanh]}\noptimizer: {method: ggn}", 0.2, "identity", 0.3),
    ("model: {layers: [{linear: 8}, tanh]}\noptimizer: {method: adam}", 0.001, "identity", 0.3),
  ])
  func `Defaults that depend on the method and the network are those of the documentation`(
    text: String, rate: Double, metric: String, damping: Double
  ) throws {
    let optimizer = try parse(text).optimizer
    #expect(optimizer.learningRate == rate && optimizer.metric.kind.rawValue == metric)
    let isDiagonal = metric == "outputs" || metric == "diagonal"
    #expect(optimizer.metric.interval == (isDiagonal ? 1 : 10))
    #expect(optimizer.metric.decay == (isDiagonal ? 0.99 : 0.95))
    #expect(optimizer.metric == MetricOptions(optimizer.metric.kind))
    #expect(optimizer.damping.initial == damping && optimizer.damping.minimum == damping)
    let given = try parse(text, "optimizer.damping={initial: 7, minimum: 2}", "optimizer.learning_rate=3").optimizer
    #expect(given.learningRate == 3 && given.damping.initial == 7 && given.damping.minimum == 2)
  }

  @Test(arguments: [
    ["sgd", "nesterov=true"], ["sgd", "momentum=0"], ["adam", "adam.beta1=0"], ["adam", "adam.beta2=0.5"],
    ["adam", "adam.epsilon=1e-3"], ["adam", "adam.decoupled_weight_decay=true"], ["ggn", "damping.initial=2"],
    ["ggn", "step_length=ggn"], ["ggn", "solver.tolerance=0.5"],
  ])
  func `A method's own settings go with it`(words: [String]) throws {
    let plain = try parse("optimizer: {method: \(words[0])}")
    let changed = try parse("optimizer: {method: \(words[0])}", "optimizer.\(words[1])")
    #expect(changed != plain)
    #expect(try parse(changed.yaml) == changed)
  }

  @Test func `A missing file has its own exit code`() {
    let folder = TemporaryFolder()
    let error = #expect(throws: ConfigurationError.self) { try Configuration.load(path: folder.path("none.yaml")) }
    #expect(error?.exitCode == 66)
    #expect(error?.description.contains(folder.path("none.yaml")) == true)
  }
}
