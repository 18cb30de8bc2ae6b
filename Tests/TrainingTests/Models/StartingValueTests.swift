import LinearAlgebra
import Networks
import Testing

@testable import Training

/// Parameters that a run takes from a file of its own or another program's.
@Suite struct StartingValueTests {
  private let network = Network([Linear(inputs: 3, outputs: 2)])

  @Test func `Starting values may lack the prefix but not a tensor or a number`() throws {
    func file(_ prefix: String, bias: [Float]?) -> TensorFile {
      var file = TensorFile()
      file.add("\(prefix)0.weight", Tensor([Float](repeating: 2, count: 6), shape: [2, 3]))
      if let bias { file.add("\(prefix)0.bias", Tensor(bias)) }
      return file
    }
    for prefix in ["", "model."] {
      let loaded: Vector<Double> = try ModelFile.parameters(of: network, in: file(prefix, bias: [3, 4]))
      #expect(loaded.array == [2, 2, 2, 2, 2, 2, 3, 4])
      for bias in [nil, [3, .nan], [3, 4, 5], [.infinity, 1]] as [[Float]?] {
        let error = #expect(throws: StorageError.self) {
          try ModelFile.parameters(of: network, in: file(prefix, bias: bias), as: Double.self)
        }
        #expect(error?.exitCode == 65)
        #expect(error?.section.contains("0.bias") == true)
      }
    }
  }

  @Test func `A linear head starts from the only matrix and vector of its shapes, whatever their names`() throws {
    let weight = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
    let bias = Tensor([7, 8] as [Float])
    func file(_ tensors: (String, Tensor)...) -> TensorFile {
      var file = TensorFile()
      for (name, tensor) in tensors { file.add(name, tensor) }
      return file
    }
    func parameters(_ file: TensorFile, _ network: Network) throws -> [Double] {
      try ModelFile.parameters(
        of: network, in: file, names: ModelFile.initialNames(of: network, in: file), as: Double.self
      ).array
    }
    let head = try Configuration.ModelOptions().network(featureShape: [3], classes: 2)
    let others = ("body.weight", Tensor([Float](repeating: 0, count: 9), shape: [3, 3]))
    let counts = ("steps", Tensor([1, 2] as [Int64]))
    let named = try parameters(file(("model.0.weight", weight), ("model.0.bias", bias)), head)
    #expect(
      try parameters(file(others, ("classifier.weight", weight), counts, ("classifier.bias", bias)), head) == named)
    // The program's own names take precedence.
    let zeros = Tensor([Float](repeating: 0, count: 6), shape: [2, 3])
    #expect(try parameters(file(("a", zeros), ("0.weight", weight), ("0.bias", bias)), head) == named)
    let perceptron = try Configuration.parse("model: {layers: [{linear: 2}]}", source: "").model
      .network(featureShape: [3], classes: 2)
    for (file, network) in [
      (file(("a", weight), ("b", zeros), ("c", bias)), head), (file(("a", weight)), head),
      (file(("a", weight), ("0.bias", bias)), head), (file(("a", weight), ("c", bias)), perceptron),
    ] {
      let error = #expect(throws: StorageError.self) { try parameters(file, network) }
      #expect(error?.exitCode == 65)
      let line = error?.description ?? ""
      for word in ["is missing", "the file has \"a\" [2, 3]", "model.0.weight [2, 3], model.0.bias [2]"] {
        #expect(line.contains(word), "\(line)")
      }
    }
    let none = #expect(throws: StorageError.self) { try parameters(TensorFile(), head) }
    #expect(none?.description.contains("the file has no tensor") == true)
  }

  @Test(arguments: ["", "{linear: 4}, tanh"])
  func `A head without biases and a file with them do not go together, nor the other way round`(hidden: String) throws {
    func options(_ bias: Bool) throws -> Configuration.ModelOptions {
      try Configuration.parse("model: {layers: [\(hidden)], bias: \(bias)}", source: "").model
    }
    let networks = try [true, false].map { try options($0).network(featureShape: [3], classes: 2) }
    let files = networks.map { network in
      var file = TensorFile()
      file.add(network.initialParameters(seed: 1) as Vector<Double>, of: network)
      file.path = "m.safetensors"
      return file
    }
    func parameters(_ network: Int, _ file: TensorFile) throws -> [Double] {
      try ModelFile.parameters(
        of: networks[network], in: file, names: ModelFile.initialNames(of: networks[network], in: file), as: Double.self
      ).array
    }
    let bias = hidden.isEmpty ? "model.0.bias" : "model.2.bias"
    for index in 0...1 { #expect(try parameters(index, files[index]).count == networks[index].layout.count) }
    let missing = #expect(throws: StorageError.self) { try parameters(0, files[1]) }
    #expect(missing?.exitCode == 65)
    for words in ["m.safetensors: tensor \"\(bias)\"", "is missing", "set model.bias to false"] {
      #expect(missing?.description.contains(words) == true, "\(String(describing: missing))")
    }
    let foreign = #expect(throws: StorageError.self) { try parameters(1, files[0]) }
    #expect(foreign?.exitCode == 65)
    for words in ["m.safetensors: tensor \"\(bias)\"", "model.bias is false", "set model.bias to true"] {
      #expect(foreign?.description.contains(words) == true, "\(String(describing: foreign))")
    }
    guard hidden.isEmpty else { return }
    // Tensors of other names.
    var renamed = TensorFile()
    renamed.add("W", files[1].tensors[0].tensor)
    #expect(try parameters(1, renamed) == parameters(1, files[1]))
    let lacking = #expect(throws: StorageError.self) { try parameters(0, renamed) }
    #expect(lacking?.description.contains("set model.bias to false") == true)
    renamed.add("b", Tensor([1, 2] as [Float]))
    #expect(try parameters(0, renamed).count == 8)
    let other = #expect(throws: StorageError.self) { try parameters(1, renamed) }
    #expect(other?.description.contains("tensor \"b\"") == true)
  }
}
