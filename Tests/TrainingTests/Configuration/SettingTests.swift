import Foundation
import GaussNewton
import Testing
import Yams

@testable import Training

extension Configuration {
  /// The keys whose defaults follow from others or from the data.
  static var automaticKeys: [String] {
    get throws {
      let values = Dictionary(uniqueKeysWithValues: Configuration().leaves.map { ($0.key, $0.value) })
      return try defaultTree().leaves().filter { $0.value == "null" && values[$0.key] != "null" }.map(\.key)
    }
  }
}

@Suite struct SettingTests {
  private struct Options: Codable, Equatable {
    @Setting var rate = 0.5
  }

  @Test func `An automatic setting takes choices until it is given`() throws {
    var options = try YAMLDecoder().decode(Options.self, from: "rate: null", userInfo: [.opensSettings: true])
    #expect(options.$rate.isAutomatic)
    options.$rate.choose(1)
    options.$rate.choose(2)
    #expect(options.rate == 2 && options.$rate.isAutomatic)
    options.rate = 3
    options.$rate.choose(4)
    #expect(options.rate == 3 && !options.$rate.isAutomatic)
  }

  @Test func `Values in code are given`() {
    var options = Options()
    options.$rate.choose(1)
    #expect(options.rate == 0.5 && !options.$rate.isAutomatic)
  }

  @Test func `Settings of one value are equal however they came about`() throws {
    var options = try YAMLDecoder().decode(Options.self, from: "rate: ~", userInfo: [.opensSettings: true])
    #expect(options != Options())
    options.$rate.choose(0.5)
    #expect(options == Options())
  }

  @Test func `A setting is written and read as its value`() throws {
    var options = try YAMLDecoder().decode(Options.self, from: "rate:", userInfo: [.opensSettings: true])
    options.$rate.choose(0.25)
    #expect(String(decoding: try JSONEncoder().encode(options), as: UTF8.self) == #"{"rate":0.25}"#)
    for text in ["rate: null", "rate:", "rate: auto"] {
      #expect(throws: DecodingError.self) { try YAMLDecoder().decode(Options.self, from: text) }
    }
    #expect(throws: DecodingError.self) {
      try YAMLDecoder().decode(Options.self, from: "rate: auto", userInfo: [.opensSettings: true])
    }
  }

  @Test func `The automatic keys are those of the documentation`() throws {
    #expect(
      try Configuration.automaticKeys == [
        "data.normalize", "optimizer.learning_rate", "optimizer.schedule.kind", "optimizer.damping.initial",
        "optimizer.damping.minimum", "optimizer.damping.maximum", "optimizer.metric.kind", "optimizer.metric.decay",
        "optimizer.metric.interval", "training.epochs",
        "training.shuffle_block", "training.shuffle_window",
        "training.keep", "training.average.decay",
      ])
  }

  @Test func `A saved configuration has all its values`() throws {
    for (key, word) in [("\"learning_rate\":0.3", "\"learning_rate\":null"), ("\"scale\"", "\"auto\"")] {
      let json = String(decoding: try JSONEncoder().encode(Configuration()), as: UTF8.self)
      #expect(json.contains(key))
      #expect(try Configuration.saved(json) == Configuration())
      #expect(throws: (any Error).self) {
        try Configuration.saved(json.replacingOccurrences(of: key, with: word))
      }
    }
  }

  @Test func `What is chosen by the data is checked like what is given`() throws {
    let facts = DataFacts(
      isSparse: false, examples: 100, rows: nil, rowSize: nil, memory: .max, exceedsMemory: false, indexBase: nil,
      normalization: .standardize, meanSquaredNorm: { 1 })
    let sparse = try Configuration.parse(
      "data: {storage: sparse, train: {features: x.svm, format: svmlight}}", source: "run.yaml")
    let error = #expect(throws: ConfigurationError.self) { try sparse.resolved(for: facts) }
    #expect(error?.key == "data.normalize" && error?.exitCode == 64)
  }

  @Test func `What is given is not chosen`() throws {
    let facts = DataFacts(
      isSparse: false, examples: 1000, rows: 1000, rowSize: 8, memory: 800, exceedsMemory: true, indexBase: nil,
      normalization: .standardize, meanSquaredNorm: { 123_456 })
    let settings = [
      "data.normalize=none", "optimizer.learning_rate=7", "optimizer.metric.kind=inputs", "optimizer.damping.initial=3",
      "optimizer.damping.minimum=2", "optimizer.damping.maximum=9", "training.shuffle_block=5",
      "training.shuffle_window=4", "training.keep=last", "data.validation.fraction=0.5",
      "training.average={kind: ema, decay: 0.75}", "optimizer.schedule.kind=cosine",
    ]
    let given = try Configuration.parse("", source: "", overrides: settings)
    #expect(try given.resolved(for: facts) == given)
    let chosen = try Configuration.parse("optimizer: {batch_size: 2}", source: "").resolved(for: facts)
    #expect(chosen.data.normalize == .standardize && chosen.optimizer.damping.initial == 120)
    #expect(chosen.optimizer.schedule.kind == .linear && chosen.training.average.decay == 0.999)
    #expect(chosen.training.shuffleBlock == 32768 && chosen.training.shuffleWindow == 6)
  }

  @Test func `A run that goes on keeps the rate and the floor of λ that were chosen for its method`() throws {
    let saved = try Configuration.parse(
      "optimizer: {learning_rate: 0.5, damping: {minimum: 7}}", source: ""
    ).resolved()
    func rate(_ overrides: String...) throws -> Double {
      try Configuration.parse("", source: "", overrides: overrides).resolved(goingOnFrom: saved).optimizer.learningRate
    }
    let floor = try Configuration.parse("", source: "").resolved(goingOnFrom: saved).optimizer.damping.minimum
    #expect(try rate() == 0.5 && floor == 7)
    #expect(try rate("optimizer.method=adam") == 0.001)
    #expect(try rate("optimizer.learning_rate=2") == 2)
  }

  @Test func `With an average the rate is constant, and an exponential one is of about half an epoch`() throws {
    for (settings, steps) in [
      ("batch_size: 7", 71.5), ("batch_size: 500", 10), ("batch_size: 9223372036854775807", 10),
      ("batch_size: full", 10),
    ] {
      for (kind, decay) in [("ema", 1 - 1 / steps), ("tail", 0.999)] {
        let facts = DataFacts(
          isSparse: true, examples: 1000, rows: nil, rowSize: nil, memory: 800, exceedsMemory: false, indexBase: nil,
          normalization: .none, meanSquaredNorm: { 1 })
        let chosen = try Configuration.parse(
          "{optimizer: {\(settings)}, training: {average: \(kind)}}", source: ""
        ).resolved(for: facts)
        #expect(chosen.optimizer.schedule.kind == .constant && chosen.training.average.decay == decay)
      }
    }
  }
}
