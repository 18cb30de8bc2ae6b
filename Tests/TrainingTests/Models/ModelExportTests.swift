import Datasets
import Foundation
import LinearAlgebra
import MPI
import Networks
import Testing

@testable import Training

@Suite struct ModelExportTests {
  let folder = TemporaryFolder()
  private let scratch = TemporaryFolder()

  /// Examples with these axes and values far from zero; with a `channelSize`, that many adjacent values are equal.
  private func examples(_ shape: [Int], channelSize: Int? = nil) -> FeatureMatrix {
    var generator = SplitMix64(seed: 7)
    let columns = shape.reduce(1, *)
    let values = (0..<20).flatMap { _ -> [Double] in
      guard let channelSize else { return (0..<columns).map { 3 + Double($0 % 5) + generator.nextNormal() } }
      return (0..<columns / channelSize).flatMap {
        Array(repeating: 3 + Double($0) + generator.nextNormal(), count: channelSize)
      }
    }
    return FeatureMatrix(values, shape: shape)
  }

  /// A saved model with random parameters, normalised for `features`.
  private func model(
    _ layers: [LayerSpecification], _ kind: Normalization.Kind, _ features: FeatureMatrix,
    channels: ChannelOrder = .first, bias: Bool = true, classes: Int = 3,
    precision: Configuration.TrainingOptions.Precision = .float64
  ) throws -> ModelFile {
    var configuration = Configuration()
    configuration.model.bias = bias
    configuration.model.layers = layers
    configuration.model.channels = channels
    configuration.training.precision = precision
    configuration.data.normalize = kind
    let network = try configuration.model.network(featureShape: features.shape, classes: classes)
    let normalization = Normalization(kind, features.statistics(in: 0..<features.rows))
    let parameters: Vector<Double> = network.initialParameters(seed: 5)
    for index in 0..<parameters.count { parameters[index] += 0.01 * Double(index % 7) }
    var contents =
      precision == .float64
      ? ModelFile.contents(parameters, of: network, configuration, normalization)
      : ModelFile.contents(Vector(parameters.array.map { Float($0) }), of: network, configuration, normalization)
    contents.path = "m.safetensors"
    // A checkpoint contains such tensors.
    contents.add("optimizer.momentum", Tensor([1.5, 2.5]))
    return try ModelFile(contents)
  }

  /// The export of a model, written once, so that what cannot be exported is refused.
  @discardableResult
  private func exported(
    _ model: ModelFile, precision: Configuration.TrainingOptions.Precision? = nil, prefix: String = "",
    foldsNormalization: Bool = false, to path: String? = nil
  ) throws -> ModelExport {
    try Safetensors.save(model.contents, to: scratch.path("model"))
    let export = try ModelExport(
      path: scratch.path("model"), precision: precision, prefix: prefix, foldsNormalization: foldsNormalization)
    try export.writeSafetensors(to: path ?? scratch.path("export"))
    return export
  }

  private func logits(_ model: ModelFile, _ features: FeatureMatrix) throws -> [Double] {
    let evaluator = Evaluator<Double>(model.network, communicator: Communicator())
    var result: [Double] = []
    evaluator.forEachChunk(of: 0..<features.rows, try model.parameters(), .dense(features), model.normalization) {
      result += $1.elements.array
    }
    return result
  }

  /// The largest difference of the logits of a model and its export with the normalization folded in.
  private func foldingError(_ model: ModelFile, _ features: FeatureMatrix) throws -> Double {
    try exported(model, foldsNormalization: true, to: folder.path("folded"))
    let folded = try ModelFile(path: folder.path("folded"))
    #expect(folded.normalization == .none)
    let (one, other) = (try logits(model, features), try logits(folded, features))
    #expect(one.count == other.count && one.contains { abs($0) > 0.1 })
    return zip(one, other).map { abs($0 - $1) }.max()!
  }

  @Test(
    arguments: Configuration.TrainingOptions.Precision.allCases,
    [nil, Configuration.TrainingOptions.Precision.float32, .float64])
  func `Names, shapes and numbers are those of the model, in either precision and without the optimizer's`(
    trained: Configuration.TrainingOptions.Precision, asked: Configuration.TrainingOptions.Precision?
  ) throws {
    let layers: [LayerSpecification] = [.linear(4), .activation(.tanh), .residual([.linear(4)])]
    let model = try model(layers, .standardize, examples([6]), precision: trained)
    for (prefix, name) in [("", "2.0.weight"), ("model.", "model.2.0.weight"), ("net é\".", "net é\".2.0.weight")] {
      let export = try exported(model, precision: asked, prefix: prefix, to: folder.path("w"))
      let file = try Safetensors.load(path: folder.path("w"))
      #expect(file.tensors.count == 6 && file.contains(name))
      #expect(file.metadata["format"] == "pt")
      #expect(file.metadata["fgn.inputs"] == export.inputs && export.inputs.hasPrefix("(x - offset) * scale"))
      #expect(file.tensors.allSatisfy { $0.tensor.dtype == ((asked ?? trained) == .float32 ? .float32 : .float64) })
      for entry in model.network.layout.entries {
        let found: Vector<Double> = try file.vector(
          named: prefix + entry.name.dropFirst("model.".count), shape: entry.shape)
        let expected: Vector<Double> = try model.contents.vector(named: entry.name)
        #expect(found.array == expected.array.map { asked == .float32 ? Double(Float($0)) : $0 })
      }
    }
    // With its own names the export is still a model.
    try exported(model, precision: asked, to: folder.path("w"))
    let again = try ModelFile(path: folder.path("w"))
    #expect(again.normalization == model.normalization && again.network.layout == model.network.layout)
  }

  @Test(arguments: [.scale, .standardize] as [Normalization.Kind])
  func `Folding is exact for linear layers`(kind: Normalization.Kind) throws {
    for layers: [LayerSpecification] in [
      [], [.linear(4), .layerNorm], [.flatten, .flatten, .linear(4), .activation(.gelu)],
    ] {
      let features = examples([2, 5])
      #expect(try foldingError(model(layers, kind, features), features) < 1e-13)
    }
  }

  @Test func `Heads of more rows than are read at a time are folded and written like small ones`() throws {
    let features = examples([2])
    let model = try model([], .standardize, features, classes: 600_000)
    #expect(try foldingError(model, features) < 1e-13)
    try exported(model).writeArrays(to: folder.path("out"))
    for name in ["weight", "bias"] {
      let expected: Vector<Double> = try model.contents.vector(named: "model.0.\(name)")
      let bytes = try folder.bytes("out/0.\(name).npy").suffix(8 * expected.count)
      #expect(Array(bytes) == expected.withElements { Array(UnsafeRawBufferPointer($0)) })
    }
  }

  @Test(arguments: ChannelOrder.allCases)
  func `Folding is exact for convolutions`(channels: ChannelOrder) throws {
    func layers(padding: Int) -> [LayerSpecification] {
      [.convolution(.init(channels: 3, kernel: 2, padding: padding)), .activation(.tanh), .flatten]
    }
    let shape = channels == .first ? [2, 4, 3] : [4, 3, 2]
    let features = examples(shape)
    for padding in 0...1 {
      #expect(try foldingError(model(layers(padding: padding), .scale, features, channels: channels), features) < 1e-13)
    }
    if channels == .first {
      let uniform = examples(shape, channelSize: 12)
      #expect(try foldingError(model(layers(padding: 0), .standardize, uniform), uniform) < 1e-12)
    } else {
      // For single pixels, each column is a channel.
      let uniform = examples([1, 1, 5])
      let layers: [LayerSpecification] = [.convolution(.init(channels: 3, kernel: 1)), .flatten]
      #expect(try foldingError(model(layers, .standardize, uniform, channels: .last), uniform) < 1e-12)
    }
  }

  @Test
  func `Folding that would leave nothing of the inputs is refused, and done in a precision that has room for it`()
    throws
  {
    var generator = SplitMix64(seed: 3)
    func features(mean: Double) -> FeatureMatrix {
      FeatureMatrix((0..<200).map { _ in mean + generator.nextNormal() }, shape: [10])
    }
    for layers: [LayerSpecification] in [[], [.linear(4), .activation(.tanh)]] {
      let (small, large, huge) = (features(mean: 1000), features(mean: 1e9), features(mean: 1e14))
      #expect(try foldingError(model(layers, .standardize, small, precision: .float32), small) < 1e-3)
      let model32 = try model(layers, .standardize, large, precision: .float32)
      let error = #expect(throws: ConfigurationError.self) { try exported(model32, foldsNormalization: true) }
      #expect(error?.exitCode == 64 && error?.problem.contains("--precision float64") == true)
      _ = try exported(model32, precision: .float64, foldsNormalization: true)
      _ = try exported(model32)
      #expect(try foldingError(model(layers, .standardize, large), large) < 1e-5)
      let model64 = try model(layers, .standardize, huge)
      #expect(throws: ConfigurationError.self) { try exported(model64, foldsNormalization: true) }
    }
  }

  @Test func `Folding into a head without biases is exact where inputs are not shifted, and else refused`() throws {
    let features = examples([5])
    for kind in [Normalization.Kind.scale, .unitVariance, .none] {
      let model = try model([], kind, features, bias: false)
      #expect(try exported(model, foldsNormalization: true).parameters.map(\.name) == ["0.weight"])
      #expect(try foldingError(model, features) < 1e-13)
    }
    let shifted = try model([], .standardize, features, bias: false)
    let error = #expect(throws: ConfigurationError.self) { try exported(shifted, foldsNormalization: true) }
    #expect(error?.exitCode == 64)
    for words in ["no bias", "without --fold-normalization", "unit-variance"] {
      #expect(error?.description.contains(words) == true)
    }
    #expect(try exported(shifted).normalization == shifted.normalization)
    // A hidden layer has biases to fold into.
    #expect(try foldingError(model([.linear(4), .layerNorm], .standardize, features, bias: false), features) < 1e-13)
  }

  @Test func `Without normalization there is nothing to fold`() throws {
    let features = examples([4])
    #expect(try foldingError(model([.activation(.tanh), .linear(2)], .none, features), features) == 0)
  }

  @Test func `What cannot be folded is refused`() throws {
    let kernel = LayerSpecification.convolution(.init(channels: 3, kernel: 2, padding: 1))
    let (image, uniform) = (examples([2, 4, 3]), examples([2, 4, 3], channelSize: 12))
    let cases: [([LayerSpecification], Normalization.Kind, FeatureMatrix, String)] = [
      ([kernel, .flatten], .standardize, uniform, "pads with zeros"),
      ([kernel, .flatten], .standardize, image, "pixels of a channel differ"),
      ([.activation(.tanh)], .scale, examples([4]), "its first layer is tanh"),
      ([.layerNorm], .standardize, examples([4]), "its first layer is layer_norm"),
      ([.residual([.linear(4)])], .scale, examples([4]), "its first layer is residual"),
      ([.maxPool(.init(kernel: 2)), .flatten], .scale, image, "its first layer is max_pool"),
    ]
    for (layers, kind, features, words) in cases {
      let model = try model(layers, kind, features)
      let error = #expect(throws: ConfigurationError.self) { try exported(model, foldsNormalization: true) }
      #expect(error?.exitCode == 64 && error?.description.contains(words) == true)
      #expect(try exported(model).normalization == model.normalization)
    }
  }

  @Test func `Tells in which order channels are expected`() throws {
    let layers: [LayerSpecification] = [.convolution(.init(channels: 3, kernel: 2)), .flatten]
    let features = examples([4, 3, 2])
    #expect(
      try exported(model(layers, .scale, features, channels: .last)).inputs.hasSuffix("channels x height x width"))
    #expect(try !exported(model(layers, .scale, features)).inputs.contains("height"))
  }

  @Test func `Numbers that float does not hold are refused`() throws {
    let values = Vector<Double>([1e39] + Array(repeating: 0, count: 14))
    var file = TensorFile()
    file.metadata = try model([], .none, examples([4])).contents.metadata
    file.add("model.0.weight", Tensor(values[0..<12], shape: [3, 4]))
    file.add("model.0.bias", Tensor(values[12..<15]))
    let model = try ModelFile(file)
    try exported(model, to: folder.path("w"))
    let found: Vector<Double> = try Safetensors.load(path: folder.path("w")).vector(named: "0.weight")
    #expect(found[0] == 1e39)
    let error = #expect(throws: StorageError.self) { try exported(model, precision: .float32) }
    #expect(error?.exitCode == 65 && error?.description.contains("too large for float32") == true)
  }

  @Test func `A folder has an array for each parameter`() throws {
    let model = try model([.linear(4), .layerNorm], .standardize, examples([6]), precision: .float32)
    for round in 0..<2 {
      try exported(model, prefix: round == 0 ? "" : "p.").writeArrays(to: folder.path("out"))
      #expect(try folder.names == ["out"])
      let names = ["0.bias", "0.weight", "1.bias", "1.weight", "2.bias", "2.weight"]
      let files = try FileManager.default.contentsOfDirectory(atPath: folder.path("out")).sorted()
      #expect(files == (names.map { (round == 0 ? "" : "p.") + $0 + ".npy" } + ["metadata.json"]).sorted())
      #expect(ModelExport.isExport(folder: folder.path("out")))
    }
    let weight = try FeatureMatrix(path: folder.path("out/p.0.weight.npy"))
    let expected: Vector<Float> = try model.contents.vector(named: "model.0.weight")
    let found = Matrix<Float>(zeros: 4, 6)
    weight.gather(rows: 0..<4, into: found, normalization: .none)
    #expect(weight.element == .float32 && weight.shape == [6] && found.elements.array == expected.array)

    struct Manifest: Decodable {
      struct Parameter: Decodable {
        let name, file, type: String
        let shape: [Int]
      }
      let parameters: [Parameter]
      let normalization: Normalization
    }
    let manifest = try JSONDecoder().decode(Manifest.self, from: Data(folder.bytes("out/metadata.json")))
    #expect(manifest.normalization == model.normalization)
    let names = model.network.layout.entries.map { "p." + $0.name.dropFirst("model.".count) }
    #expect(manifest.parameters.map(\.name) == names && manifest.parameters.map(\.file) == names.map { $0 + ".npy" })
    #expect(manifest.parameters.map(\.shape) == model.network.layout.entries.map(\.shape))
    #expect(manifest.parameters.allSatisfy { $0.type == "float32" })
  }

  @Test func `Other folders are no exports`() throws {
    let files = FileManager.default
    #expect(!ModelExport.isExport(folder: folder.path("missing")))
    #expect(!ModelExport.isExport(folder: folder.folder))
    try exported(model([], .none, examples([4]))).writeArrays(to: folder.path("out"))
    #expect(ModelExport.isExport(folder: folder.path("out")))
    try folder.write("out/features.npy", [])
    #expect(!ModelExport.isExport(folder: folder.path("out")))
    try files.removeItem(atPath: folder.path("out/features.npy"))
    try files.createDirectory(atPath: folder.path("out/data"), withIntermediateDirectories: false)
    #expect(!ModelExport.isExport(folder: folder.path("out")))
    try files.removeItem(atPath: folder.path("out"))
    try folder.write("metadata.json", [])
    #expect(!ModelExport.isExport(folder: folder.folder), "a set of one's own")
  }

  @Test func `Only an earlier export is replaced, under whatever name`() throws {
    let export = try exported(model([], .none, examples([4])))
    try folder.write("thesis.tex", [1])
    for path in ["", folder.folder, folder.path("none/.."), folder.path(".")] {
      let error = #expect(throws: StorageError.self, "\(path)") { try export.writeArrays(to: path) }
      #expect(error?.exitCode == 74)
    }
    #expect(try folder.names == ["thesis.tex"])
  }

  @Test func `A folder that cannot be made leaves nothing`() throws {
    let export = try exported(model([], .none, examples([4])))
    let error = #expect(throws: StorageError.self) { try export.writeArrays(to: folder.path("none/out")) }
    #expect(error?.exitCode == 74)
    #expect(try folder.names.isEmpty)
  }
}
