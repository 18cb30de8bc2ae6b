import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@testable import Training

/// Starting values of heads whose classes are shared out, on any number of ranks.
@Suite(.serialized) struct InitializationCollectiveTests {
  let folder = TemporaryFolder()
  private static let features = 5

  struct Head: CustomTestStringConvertible {
    var classes: Int
    var layers = ""
    var isSparse = false
    var hasBias = true

    var testDescription: String { "\(classes) classes on [\(layers)]\(isSparse ? ", sparse" : "")" }

    var configuration: Configuration {
      get throws { try Configuration.parse("model: {layers: [\(layers)], bias: \(hasBias)}", source: "") }
    }
  }

  static let heads = [2, 3, 11].flatMap {
    [
      Head(classes: $0), Head(classes: $0, isSparse: true, hasBias: false),
      Head(classes: $0, layers: "{linear: 6}, tanh"), Head(classes: $0, layers: "{linear: 6}, relu", isSparse: true),
    ]
  }

  @Test(arguments: heads, ["", "model.", "other"])
  func `A run begins with its classes of a file, under whatever names`(head: Head, prefix: String) throws {
    var configuration = try head.configuration
    let network = try configuration.model.network(
      featureShape: [Self.features], classes: head.classes, sparseInputs: head.isSparse)
    let share = ParameterShare(network, classes: ClassShards(head.classes, over: World.communicator))
    var samples = Samples(seed: 5)
    let parameters: Vector<Double> = samples.vector(network.layout.count)
    var named = TensorFile()
    named.add(parameters, of: network)
    if prefix == "other", !network.hasSingleLayer { return }
    var file = TensorFile()
    // Of the shape of a rank's classes on two ranks, and of a state that is not read.
    let half = head.classes / 2
    file.add("a", Tensor([Float](repeating: 0, count: half * Self.features), shape: [half, Self.features]))
    for entry in named.tensors {
      let bare = String(entry.name.dropFirst("model.".count))
      file.add(prefix == "other" ? "head " + entry.name : prefix + bare, entry.tensor)
    }
    try Safetensors.save(file, to: folder.path("start"))
    configuration.model.initialization = folder.path("start")
    let own: Vector<Double> = try configuration.model.initialParameters(share, seed: 0)
    #expect(own.array == share.own(of: parameters).array)
    // One process is as before.
    let all: Vector<Double> = try configuration.model.initialParameters(of: network, seed: 0)
    #expect(all.array == parameters.array)
  }

  @Test func `Starting values of another number of classes, or that are not finite, are refused`() throws {
    var configuration = try Head(classes: 6).configuration
    configuration.model.initialization = folder.path("start")
    let network = try configuration.model.network(featureShape: [Self.features], classes: 6)
    let share = ParameterShare(network, classes: ClassShards(6, over: World.communicator))
    func error(_ classes: Int, _ last: Float = 0) throws -> StorageError? {
      var file = TensorFile()
      let count = classes * Self.features
      file.add("0.weight", Tensor([Float](repeating: 0, count: count), shape: [classes, Self.features]))
      file.add("0.bias", Tensor([Float](repeating: 0, count: classes - 1) + [last]))
      try Safetensors.save(file, to: folder.path("start"))
      do {
        let _: Vector<Float> = try configuration.model.initialParameters(share, seed: 0)
        return nil
      } catch {
        return error as? StorageError
      }
    }
    // Also where it is the number of classes of a rank.
    for classes in [2, 3, 5] {
      let found = try error(classes)
      #expect(found?.exitCode == 65)
      #expect(found?.description.contains("has shape [\(classes), 5] where [6, 5] is expected") == true)
    }
    let hasLast = share.classes!.own.contains(5)
    #expect(try error(6, .nan)?.problem == (hasLast ? "has a number that is not finite" : nil))
  }
}
