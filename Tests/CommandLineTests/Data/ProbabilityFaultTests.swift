import Datasets
import LinearAlgebra
import Testing

extension DataTests {
  @Suite("Probabilities that are none")
  struct ProbabilityFaultTests {
    /// A fault of probabilities for the 40 examples, of which `row` is another one.
    private static func fault(
      _ name: String, _ words: String..., file: String = "train-labels.npy", row: [Float]? = nil,
      shape: (rows: Int, columns: Int) = (40, 3),
      yaml: String = Fault.configuration
    ) -> Fault {
      Fault(name, 65, [file] + words) { workspace in
        var values = [Float](repeating: 1 / Float(max(2, shape.columns)), count: shape.rows * shape.columns)
        if let row { values.replaceSubrange(27..<30, with: row) }
        try NPY.write(Matrix(Vector(values), shape.rows, shape.columns), to: workspace.path(file))
        try workspace.write("run.yaml", yaml)
        return Fault.train
      }
    }

    private static let withTestSet = Fault.configuration.replacing(
      "npy}}", with: "npy}, test: {features: train-features.npy, labels: test-labels.npy}}")

    static let faults = [
      fault("a sum that is not 1", "row 9 of probabilities", "sums to 0.75", row: [0.5, 0.25, 0]),
      fault("a negative one", "row 9 of probabilities", "-0.5 for class 1", row: [1, -0.5, 0.5]),
      fault("NaN", "row 9 of probabilities", "nan for class 2", row: [1, 0, .nan]),
      fault("infinity", "row 9 of probabilities", "inf for class 0", row: [.infinity, 0, 0]),
      fault("zeros", "row 9 of probabilities", "zeros alone", row: [0, 0, 0]),
      fault("one column", "row 0, 0.5", "for each class a column of probabilities", shape: (40, 1)),
      fault("fewer rows than examples", "40 examples", "39 labels", shape: (39, 3)),
      fault(
        "other columns than classes of the training set", "probabilities of 4 columns, and there are 3 classes",
        file: "test-labels.npy", shape: (40, 4), yaml: withTestSet),
      fault(
        "other columns than data.classes", "probabilities of 3 columns, and there are 5 classes",
        yaml: Fault.configuration.replacing("npy}}", with: "npy}, classes: 5}")),
    ]

    @Test(arguments: faults) func `One line of error`(fault: Fault) throws { try fault.check() }
  }
}
