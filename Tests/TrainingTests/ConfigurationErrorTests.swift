import Foundation
import Testing

@testable import Training

@Suite struct ConfigurationErrorTests {
  /// A document or an override that is refused, the key that the error must name, and words that it must have.
  struct Case: Sendable, CustomTestStringConvertible {
    let text: String
    let key: String
    let words: [String]

    init(_ text: String, _ key: String, _ words: String...) {
      self.text = text
      self.key = key
      self.words = words
    }

    var testDescription: String { text.debugDescription }
  }

  private func expectError(_ expected: Case, isOverride: Bool = false) {
    let error = #expect(throws: ConfigurationError.self) {
      try Configuration.parse(
        isOverride ? "" : expected.text, source: "test.yaml", overrides: isOverride ? [expected.text] : [])
    }
    #expect(error?.exitCode == 64)
    #expect(error?.key == expected.key)
    let line = error?.description ?? ""
    #expect(!line.contains("\n"))
    // The type of an override's value is checked in the complete document.
    #expect(line.hasPrefix("test.yaml: ") || (isOverride && line.hasPrefix("--set ")))
    for word in expected.words { #expect(line.contains(word), "\(line)") }
  }

  @Test(
    "an unknown key is refused with the nearest one",
    arguments: [
      Case("trainning: {}", "trainning", "did you mean training?", "line 1"),
      Case("optimizer: {batchsize: 3}", "optimizer.batchsize", "did you mean batch_size?"),
      Case("optimizer:\n  momentun: 0.5", "optimizer.momentun", "did you mean momentum?", "line 2"),
      Case(
        "optimizer: {damping: {inital: 1}}", "optimizer.damping.inital", "did you mean initial?", "minimum, maximum"),
      Case("optimizer: {solver: {max_iteration: 1}}", "optimizer.solver.max_iteration", "did you mean max_iterations?"),
      Case("data: {train: {feature: x}}", "data.train.feature", "did you mean features?"),
      Case("training: {Epochs: 3}", "training.Epochs", "did you mean epochs?"),
      Case("training: {droplast: true}", "training.droplast", "did you mean drop_last?"),
      Case("3: 4", "3", "unknown key"),
    ])
  func unknownKeys(expected: Case) { expectError(expected) }

  @Test(
    "a value of another type is refused with what the key takes",
    arguments: [
      Case("training: {epochs: ten}", "training.epochs", "'ten'", "a whole number"),
      Case("training: {epochs: 2.5}", "training.epochs", "'2.5'", "a whole number"),
      Case("training: {epochs: null}", "training.epochs", "a whole number"),
      Case("training: {epochs: 99999999999999999999}", "training.epochs", "99999999999999999999"),
      Case("training: {epochs: [3]}", "training.epochs", "a list is not allowed"),
      Case("training: {epochs: {a: 3}}", "training.epochs", "a section is not allowed"),
      Case("training: {seed: -1}", "training.seed", "'-1'", "not negative"),
      Case("training: {drop_last: 7}", "training.drop_last", "true or false"),
      Case("optimizer: {learning_rate: fast}", "optimizer.learning_rate", "'fast'", "a number"),
      Case("optimizer: {batch_size: 0}", "optimizer.batch_size", "'0'", "full"),
      Case("optimizer: {batch_size: -5}", "optimizer.batch_size", "'-5'", "full"),
      Case("optimizer: {batch_size: 2.5}", "optimizer.batch_size", "'2.5'", "full"),
      Case("optimizer: {batch_size: all}", "optimizer.batch_size", "'all'", "full"),
      Case("model: {layers: 3}", "model.layers", "'3'", "a list"),
      Case("model: {layers: null}", "model.layers"),
      Case("model: {initialization: [a]}", "model.initialization"),
      Case("optimizer: 3", "optimizer", "is a section", "batch_size"),
      Case("optimizer: [a]", "optimizer", "is a section"),
      Case("[a, b]", "", "is a section", "training"),
      Case("just words", "", "is a section"),
    ])
  func wrongTypes(expected: Case) { expectError(expected) }

  @Test(
    "an unknown word is refused with all that are known",
    arguments: [
      Case("optimizer: {method: adam}", "optimizer.method", "'adam'", "fgn"),
      Case("optimizer: {step_length: long}", "optimizer.step_length", "'long'", "unit, ggn, line-search"),
      Case("optimizer: {damping: {policy: lm}}", "optimizer.damping.policy", "'lm'", "constant, levenberg-marquardt"),
      Case("optimizer: {solver: {kind: lu}}", "optimizer.solver.kind", "'lu'", "auto, cg"),
      Case("optimizer: {schedule: {kind: step}}", "optimizer.schedule.kind", "'step'", "constant, linear, cosine"),
      Case("training: {precision: float16}", "training.precision", "'float16'", "float32, float64"),
      Case("training: {precision: Float32}", "training.precision", "'Float32'"),
      Case("data: {normalize: yes}", "data.normalize", "'yes'", "none, scale, standardize"),
      Case("data: {train: {format: csv}}", "data.train.format", "'csv'", "auto, idx, npy"),
      Case("logging: {progress: bar}", "logging.progress", "'bar'", "auto, live, plain, none"),
    ])
  func unknownWords(expected: Case) { expectError(expected) }

  @Test(
    "an impossible value is refused with what is possible",
    arguments: [
      Case("training: {epochs: 0}", "training.epochs", "0 is impossible"),
      Case("training: {epochs: 9223372036854775807}", "training.epochs", "1000000000"),
      Case("training: {steps: 0}", "training.steps"), Case("training: {steps: -3}", "training.steps", "-3"),
      Case("training: {steps: 9223372036854775807}", "training.steps", "1000000000"),
      Case("training: {evaluate_every: -1}", "training.evaluate_every"),
      Case("checkpoint: {every: -1}", "checkpoint.every"), Case("checkpoint: {keep: 0}", "checkpoint.keep"),
      Case("logging: {every: 0}", "logging.every"), Case("data: {classes: 1}", "data.classes", "2"),
      Case("data: {classes: 200000000000}", "data.classes", "ten million"),
      Case("data: {train: {features: a}}", "data.train.labels"),
      Case("data: {train: {labels: a}}", "data.train.features"),
      Case("data: {test: {features: a}}", "data.test.labels"),
      Case("data: {test: {features: a, labels: b}}", "data.train.features"),
      Case("model: {layers: [linear]}", "model.layers"), Case("model: {initialization: ''}", "model.initialization"),
      Case("optimizer: {schedule: {warmup: -1}}", "optimizer.schedule.warmup"),
      Case("optimizer: {schedule: {warmup: 9223372036854775807}}", "optimizer.schedule.warmup"),
      Case("optimizer: {schedule: {final: 1.5}}", "optimizer.schedule.final"),
      Case("optimizer: {damping: {minimum: 2, maximum: 1}}", "optimizer.damping.maximum"),
      Case("optimizer: {damping: {factor: 1}}", "optimizer.damping.factor"),
      Case("optimizer: {solver: {tolerance: 1}}", "optimizer.solver.tolerance"),
      Case("optimizer: {solver: {max_iterations: 0}}", "optimizer.solver.max_iterations"),
      Case("optimizer: {momentum: 1}", "optimizer.momentum"), Case("optimizer: {momentum: -0.1}", "optimizer.momentum"),
      Case("optimizer: {weight_decay: -1e-9}", "optimizer.weight_decay"),
    ])
  func impossibleValues(expected: Case) { expectError(expected) }

  @Test(
    "numbers that are none are refused everywhere",
    arguments: [
      "optimizer.learning_rate", "optimizer.schedule.final", "optimizer.damping.initial", "optimizer.damping.minimum",
      "optimizer.damping.maximum", "optimizer.damping.factor", "optimizer.solver.tolerance", "optimizer.momentum",
      "optimizer.weight_decay",
    ], [".nan", ".inf", "-.inf", "-1"])
  func notNumbers(key: String, value: String) {
    // A minimum of −1 is one thing, a maximum below the minimum another; all must name a key of the same section.
    let error = #expect(throws: ConfigurationError.self) {
      try Configuration.parse("", source: "test.yaml", overrides: ["\(key)=\(value)"])
    }
    let isBound = key.hasSuffix("minimum") || key.hasSuffix("maximum")
    #expect(error?.key == key || (isBound && error?.key.hasPrefix("optimizer.damping.") == true))
  }

  @Test(
    "text that is no YAML is refused on one line",
    arguments: ["a: [1", "a: b: c", "\tx: 1", "training: {steps: 3, steps: 4}", "a: 1\n---\nb: 2", "x: &a [*a", "%"])
  func syntax(text: String) {
    expectError(Case(text, "", "is not valid YAML"))
  }

  @Test(
    "an override that cannot be used is refused with its text",
    arguments: [
      Case("training.epochs", "", "--set training.epochs", "KEY=VALUE"), Case("=3", "", "--set =3", "KEY=VALUE"),
      Case("", "", "KEY=VALUE"), Case("training.epoch=3", "training.epoch", "--set training.epoch=3", "epochs"),
      Case("training..epochs=3", "training.", "unknown key"), Case("training=3", "training", "is a section"),
      Case("training.epochs.x=3", "training.epochs"), Case("training.epochs=[", "", "--set training.epochs=[", "YAML"),
      Case("training.epochs=ten", "training.epochs", "'ten'"),
    ])
  func overrides(expected: Case) { expectError(expected, isOverride: true) }

  @Test func aMissingFileHasItsOwnExitCode() {
    let folder = TemporaryFolder()
    let error = #expect(throws: ConfigurationError.self) { try Configuration.load(path: folder.path("none.yaml")) }
    #expect(error?.exitCode == 66)
    #expect(error?.description.contains(folder.path("none.yaml")) == true)
  }
}
