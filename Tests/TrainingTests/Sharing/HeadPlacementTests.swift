import Datasets
import GaussNewton
import LinearAlgebra
import Networks
import Testing

@testable import Training

@Suite struct HeadPlacementTests {
  func choice(
    _ settings: [String] = [], classes: Int = 4796, features: Int = 384, ranks: Int = 2,
    onHost: Int? = nil, fits: (Bool) -> Bool = { _ in true }
  ) throws -> HeadPlacement {
    let configuration = try Configuration.parse("", source: "test", overrides: settings).resolved()
    let features = FeatureMatrix([Double](repeating: 1, count: 1024 * features), shape: [features])
    let data = TrainingData(
      train: Dataset(features: features, labels: (0..<1024).map { Int32($0 % classes) }, classCount: classes),
      test: nil, normalization: .none, classCount: classes)
    let network = try configuration.network(for: data)
    return HeadPlacement.choose(configuration, data, network, ranks: (ranks, onHost ?? ranks), fits: fits)
  }

  @Test func `Classes are shared out where a step is expected to take less time so`() throws {
    let wide = try choice()
    let times = try #require(
      wide.reason?.wholeMatch(of: #/a step is expected to take ([0-9.]+) ms over rows, ([0-9.]+) ms over classes/#))
    let (rows, classes) = (try #require(Double(times.1)), try #require(Double(times.2)))
    #expect(wide.shard == .classes && rows > 1.05 * classes)
    let narrow = try choice(classes: 500, features: 64)
    #expect(narrow.shard == .none && narrow.reason != nil)
    // With a batch four times as large the matrix of a batch outweighs the parameters.
    #expect(try choice(["optimizer.batch_size=1024"], classes: 1000, features: 512).shard == .none)
    #expect(try choice(["optimizer.method=sgd"], classes: 1000, features: 512).shard == .classes)
    // More ranks on more hosts gain more.
    let many = try choice(ranks: 32, onHost: 8)
    #expect(many.shard == .classes && many.reason != wide.reason)
    #expect(try choice(ranks: 32, onHost: 32).reason != many.reason)
  }

  @Test(arguments: [
    ["training.reproducible=true"], ["training.until=optimum"], ["optimizer.metric.kind=kronecker"],
    ["optimizer.solver.kind=measured"], ["model.layers=[{linear: 8}, tanh]"], ["model.head.shard=none"],
  ])
  func `Nothing is shared out that cannot be, or is not to be`(settings: [String]) throws {
    #expect(try choice(settings).shard == .none)
  }

  @Test func `A head on other layers is shared out where that sends much less`() throws {
    let layers = ["model.layers=[{linear: 64}, relu]", "optimizer.metric.kind=identity"]
    #expect(try choice(layers).shard == .classes)
    // Here the layers below have most of the parameters, which are summed either way.
    #expect(try choice(layers, classes: 128, features: 4096).shard == .none)
  }

  @Test func `One rank has all classes, and no rank has few`() throws {
    #expect(try choice(ranks: 1).shard == .none)
    #expect(try choice(classes: 63, features: 20000).shard == .none)
    #expect(try choice(["optimizer.batch_size=32"], classes: 64, features: 20000).shard == .classes)
  }

  @Test func `Memory decides before traffic`() throws {
    let choice = try choice(classes: 500, features: 64) { $0 }
    #expect(choice.shard == .classes && choice.reason == "whole, it does not fit into memory")
  }

  @Test func `What is asked for is taken`() throws {
    #expect(try choice(["model.head.shard=classes"], classes: 5, features: 3).shard == .classes)
  }

  @Test func `A model is run as its run was asked to, or as memory allows, unless one says how`() throws {
    func choice(_ asked: HeadShard, _ head: String = "auto", ranks: Int = 2, fits: Bool = true) throws -> HeadPlacement
    {
      let configuration = try Configuration.parse("model: {head: {shard: \(head)}}", source: "")
      return HeadPlacement.choose(asked, for: configuration, ranks: ranks) { fits }
    }
    #expect(try choice(.auto).shard == .none && choice(.auto, "none").shard == .none)
    #expect(try choice(.auto, "classes").shard == .classes && choice(.auto, "{classes: 2}", ranks: 3).shard == .classes)
    let large = try choice(.auto, "none", fits: false)
    #expect(large.shard == .classes && large.reason == "whole, it does not fit into memory")
    #expect(try choice(.none, "classes", fits: false).shard == .none && choice(.classes).shard == .classes)
    #expect(try choice(.classes, ranks: 1).shard == .none)
  }
}
