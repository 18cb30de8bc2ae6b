import Datasets
import Testing

@testable import Training
@testable import Tuning

@Suite struct DefaultGridTests {
  func axes(
    _ labels: [Int32], _ settings: [String] = [], magnitude: Double = 1
  ) throws -> [[String: [String]]] {
    let features = FeatureMatrix((0..<labels.count * 3).map { magnitude * Double($0 % 7) }, shape: [3])
    let data = TrainingData(
      train: Dataset(features: features, labels: labels, classCount: 4), test: nil, normalization: .none, classCount: 4)
    let configuration = try Configuration.parse("", source: "test", overrides: settings).resolved()
    return DefaultGrid.grids(configuration, for: data).map { grid in
      Dictionary(uniqueKeysWithValues: grid.map { ($0.key, $0.values) })
    }
  }

  @Test func `Biases decay on the way to the optimum only where classes are about as frequent`() throws {
    let even = try axes((0..<40).map { Int32($0 % 4) })
    let uneven = try axes((0..<40).map { Int32($0 < 22 ? 0 : $0 % 4) })
    for (grids, decays) in [(even, true), (uneven, false)] {
      let optimum = try #require(grids.first { $0["training.until"] == ["optimum"] })
      #expect(optimum["optimizer.decay_biases"] == (decays ? nil : ["false"]))
      #expect(grids.allSatisfy { $0["training.until"] != nil || $0["optimizer.decay_biases"] == nil })
    }
    // Twice the mean is even.
    let bound = try axes((0..<40).map { Int32($0 < 20 ? 0 : 1 + $0 % 3) })
    #expect(bound.allSatisfy { $0["optimizer.decay_biases"] == nil })
  }

  @Test(arguments: [
    [], ["model.layers=[{linear: 8}, tanh]"], ["training.until=optimum"],
    ["training.patience=3", "data.validation.fraction=0.2"], ["training.best_by=accuracy"],
    ["training.best_by=balanced_accuracy", "training.average=ema"],
  ])
  func `There are at most twelve settings`(settings: [String]) throws {
    let grids = try axes((0..<40).map { Int32($0 % 4) }, settings)
    #expect(grids.reduce(0) { $0 + $1.values.reduce(1) { $0 * $1.count } } <= 12 && !grids.isEmpty)
  }

  @Test func `Other weight decays than the first wait, and heads of many classes look ahead`() throws {
    func grids(classes: Int, _ settings: [String] = []) throws -> [[SearchAxis]] {
      let features = FeatureMatrix([Float](repeating: 1, count: 199 * classes), shape: [199])
      let data = TrainingData(
        train: Dataset(features: features, labels: (0..<classes).map { Int32($0) }, classCount: classes), test: nil,
        normalization: .none, classCount: classes)
      return DefaultGrid.grids(
        try Configuration.parse("", source: "test", overrides: settings).resolved(), for: data)
    }
    func saving(_ grids: [[SearchAxis]]) -> Int {
      grids.count { $0.contains { $0.key == "optimizer.nesterov" && $0.values == ["true"] } }
    }
    // 2^26 numbers are 1677 classes of 200 columns.
    #expect(saving(try grids(classes: 1677)) == 0)
    let many = try grids(classes: 1678)
    #expect(saving(many) == 2)
    #expect(saving(try grids(classes: 1678, ["optimizer.momentum=0"])) == 0)
    let decays = many.joined().filter { $0.key == "optimizer.weight_decay" }
    #expect(decays.map(\.values.count) == [3, 2] && decays.allSatisfy { $0.early == 1 })
    let networks = try grids(classes: 10, ["model.layers=[{linear: 8}, tanh]"])
    let late = networks.joined().filter { $0.early != nil }
    #expect(late.map(\.values) == [["0.1", "0"]])
  }

  @Test func `Smoothed labels are tried where accuracy is what counts`() throws {
    let labels = (0..<40).map { Int32($0 % 4) }
    func isSmoothed(_ settings: [String]) throws -> Bool {
      try axes(labels, settings).contains { $0["training.label_smoothing"] != nil }
    }
    #expect(try isSmoothed(["training.best_by=accuracy"]))
    #expect(try !isSmoothed([]))
  }

  @Test(arguments: [
    (0.1, ["0.1", "0.03"]), (1.0, ["0.0256", "0.00769"]), (1e9, ["0.001", "0.0003"]),
  ])
  func `Adam's rates go with the inverse of the mean squared norm`(magnitude: Double, rates: [String]) throws {
    // Rows of three values from 0 to 6, whose squares have the mean 13.
    let grids = try axes((0..<70).map { Int32($0 % 4) }, magnitude: magnitude)
    let adam = try #require(grids.first { $0["optimizer.method"] == ["adam"] })
    #expect(adam["optimizer.learning_rate"] == rates)
  }

  @Test(arguments: [([], 6), (["training.best_by=accuracy"], 4), (["training.until=optimum"], 6)])
  func `Weight decays of optima go with the mean squared norm and the inverse of the rows`(
    settings: [String], count: Int
  ) throws {
    for (rows, magnitude) in [(70, 1.0), (700, 1), (70, 10)] {
      let grids = try axes((0..<rows).map { Int32($0 % 4) }, settings, magnitude: magnitude)
      let optimum = try #require(grids.first { $0["optimizer.method"] == nil || $0["training.until"] != nil })
      let decays = optimum["optimizer.weight_decay"]!.map { Double($0)! }
      // Three values whose squares are 13 in the mean; decays have two digits.
      let strongest = 39 * magnitude * magnitude / Double(2 * rows)
      #expect(decays.count == count && decays.sorted(by: >) == decays)
      #expect(abs(decays[0] / strongest - 1) < 0.05 && abs(decays[0] / decays[count - 1] / 500 - 1) < 0.1)
    }
  }

  @Test(arguments: [(40, 3, 4, "1000"), (5000, 199, 100, "500"), (5000, 199, 1000, "100")])
  func `Optima have more passes where they are cheap`(rows: Int, inputs: Int, classes: Int, passes: String) throws {
    let features = FeatureMatrix([Float](repeating: 1, count: rows * inputs), shape: [inputs])
    let labels = (0..<rows).map { Int32($0 % classes) }
    let data = TrainingData(
      train: Dataset(features: features, labels: labels, classCount: classes), test: nil, normalization: .none,
      classCount: classes)
    let grids = DefaultGrid.grids(try Configuration.parse("", source: "test").resolved(), for: data)
    let optimum = try #require(grids.first { $0.contains { $0.key == "training.until" } })
    #expect(optimum.first { $0.key == "training.max_passes" }?.values == [passes])
  }

  @Test func `Few rows are trained for two hundred steps at least`() throws {
    func epochs(_ settings: [String], rows: Int, classes: Int = 4, grows: Bool = true) throws -> Int {
      let features = FeatureMatrix((0..<rows * 3).map { Double($0 % 7) }, shape: [3])
      let labels = (0..<rows).map { Int32($0 % classes) }
      let data = TrainingData(
        train: Dataset(features: features, labels: labels, classCount: classes), test: nil, normalization: .none,
        classCount: classes)
      let overrides = settings + ["optimizer.batch_size=100"]
      return DefaultGrid.epochs(
        try Configuration.parse("", source: "test", overrides: overrides).resolved(), for: data, grows: grows)
    }
    let hidden = "model.layers=[{linear: 8}, tanh]"
    #expect(try epochs([hidden], rows: 250) == 67)
    #expect(try epochs([hidden], rows: 5000) == 10)
    #expect(try epochs([], rows: 10000) == 10)
    // Heads of many classes begin with fewer epochs where more may follow. 2^26 numbers are 2^22 classes of four columns.
    let many = (1 << 22) + 1
    #expect(try epochs([], rows: 10000, classes: many) == 3)
    #expect(try epochs([], rows: 250, classes: many) == 67)
    #expect(try epochs([], rows: 10000, classes: many, grows: false) == 10)
    #expect(try epochs([hidden], rows: 10000, classes: many) == 10)
  }
}
