import LinearAlgebra
import Networks
import TestSupport
import Testing

@Suite struct LayerTests {
  func checkForward<Scalar: BLASScalar>(_: Scalar.Type, _ sketch: Sketch, rows: Int, tolerance: Double) {
    let trial = LayerTrial<Scalar>(sketch.layer, rows: rows)
    let evaluated = trial.evaluate()
    for row in 0..<rows {
      let expected = sketch.outputs(trial.parameters.doubles[...], trial.inputs[row: row].doubles)
      #expect(relativeError(trial.outputs[row: row].doubles, expected) <= tolerance)
      #expect(relativeError(evaluated[row: row].doubles, expected) <= tolerance)
    }
  }

  @Test(arguments: sketches, [1, 7])
  func `Outputs are those of the definition, with a cache and without`(sketch: Sketch, rows: Int) {
    checkForward(Double.self, sketch, rows: rows, tolerance: 1e-13)
    checkForward(Float.self, sketch, rows: rows, tolerance: 1e-5)
  }

  @Test(arguments: sketches, [0, 1, 7])
  func `⟨J(u, v), w⟩ = ⟨(u, v), Jᵀw⟩ for tangents of the input and of the parameters`(sketch: Sketch, rows: Int) {
    #expect(LayerTrial<Double>(sketch.layer, rows: rows).adjointError() <= 1e-12)
    #expect(LayerTrial<Float>(sketch.layer, rows: rows).adjointError() <= 1e-5)
  }

  @Test(arguments: sketches)
  func `J(u, v) is the derivative of the outputs`(sketch: Sketch) {
    let trial = LayerTrial<Double>(sketch.layer, rows: 3)
    #expect(trial.derivativeError { sketch.outputs($0[...], $1) } < 1e-6)
  }

  @Test(arguments: sketches, [0, 4])
  func `A missing input tangent is zero, and a missing input cotangent changes nothing`(sketch: Sketch, rows: Int) {
    withThreads(1) {
      let trial = LayerTrial<Double>(sketch.layer, rows: rows)
      var samples = Samples(seed: 5)
      let v: Vector<Double> = samples.vector(trial.parameters.count)
      let w: Matrix<Double> = samples.matrix(rows, sketch.layer.outputCount)
      let zero = Matrix<Double>(zeros: rows, sketch.layer.inputCount)
      let expected = trial.jvp(input: zero, parameters: v).elements.array
      let tangent = trial.jvp(input: nil, parameters: v).elements.array
      #expect(zip(tangent, expected).allSatisfy { abs($0 - $1) <= 1e-14 * max(1, abs($1)) })
      #expect(trial.parameterVJP(w).array == trial.vjp(w).parameters.array)
    }
  }

  @Test(arguments: sketches)
  func `Without rows the outputs are empty and the parameters' cotangent is zero`(sketch: Sketch) {
    let trial = LayerTrial<Float>(sketch.layer, rows: 0)
    #expect(trial.evaluate().elements.count == 0)
    let none = Matrix<Float>(zeros: 0, sketch.layer.outputCount)
    #expect(trial.vjp(none).parameters.array.allSatisfy { $0 == 0 })
  }

  /// Checks the special value in each place of the middle row in turn.
  func checkSpecial<Scalar: BLASScalar>(_ special: Scalar, _ sketch: Sketch) {
    let clean = LayerTrial<Scalar>(sketch.layer, rows: 3)
    let tangent = Matrix<Scalar>(clean.inputs.elements.copy(), 3, sketch.layer.inputCount)
    let product = clean.jvp(input: tangent, parameters: clean.parameters).doubles
    for place in Set([0, clean.inputs.columns / 2, clean.inputs.columns - 1]) {
      let inputs = Matrix(clean.inputs.elements.copy(), 3, clean.inputs.columns)
      inputs[1, place] = special
      let trial = LayerTrial<Scalar>(sketch.layer, rows: 3, inputs: inputs)
      let moved = trial.jvp(input: tangent, parameters: trial.parameters).doubles
      let cotangent = trial.vjp(trial.outputs).input.doubles
      for row in [0, 2] {
        #expect(relativeError(trial.outputs[row: row].doubles, clean.outputs[row: row].doubles) < 1e-5)
        #expect(zip(moved[row], product[row]).allSatisfy { abs($0 - $1) <= 1e-4 * max(1, abs($1)) })
        #expect(cotangent[row].allSatisfy { $0.isFinite })
      }
      if special.isNaN && sketch.layer.inputCount == sketch.layer.outputCount {
        #expect(trial.outputs[row: 1].doubles.contains { $0.isNaN })
      }
    }
  }

  @Test(arguments: sketches)
  func `NaN and infinities stay in their row`(sketch: Sketch) {
    for special in [Float.nan, .infinity, -.infinity] { checkSpecial(special, sketch) }
    for special in [Double.nan, .infinity, -.infinity] { checkSpecial(special, sketch) }
  }

  /// Outputs, a jvp and both cotangents with `threads` threads.
  func results(_ sketch: Sketch, rows: Int, threads: Int) -> [[Double]] {
    withThreads(threads) {
      let trial = LayerTrial<Double>(sketch.layer, rows: rows)
      var samples = Samples(seed: 7)
      let u: Matrix<Double> = samples.matrix(rows, sketch.layer.inputCount)
      let v: Vector<Double> = samples.vector(trial.parameters.count)
      let w: Matrix<Double> = samples.matrix(rows, sketch.layer.outputCount)
      let cotangents = trial.vjp(w)
      return [trial.outputs, trial.evaluate(), trial.jvp(input: u, parameters: v), cotangents.input]
        .map(\.elements.array) + [cotangents.parameters.array]
    }
  }

  @Test(arguments: largeSketches, [2, 3, 20])
  func `The number of threads changes nothing but the rounding, even with less rows than threads`(
    sketch: Sketch, rows: Int
  ) {
    let expected = results(sketch, rows: rows, threads: 1)
    for threads in [2, 3] {
      for (result, expected) in zip(results(sketch, rows: rows, threads: threads), expected) {
        #expect(expected.isEmpty || relativeError(result, expected) < 1e-13)
      }
    }
  }
}
