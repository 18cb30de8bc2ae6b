import LinearAlgebra
import Testing

@Suite struct MemoryLimitTests {
  @Test func `What cannot be had ends the process with a line and no trap`() async {
    await #expect(processExitsWith: .exitCode(70)) { _ = Vector<Double>(zeros: 1 << 58) }
    await #expect(processExitsWith: .exitCode(70)) { _ = Vector<Double>(zeros: 1 << 61) }
    await #expect(processExitsWith: .exitCode(70)) { _ = Matrix<Float>(zeros: 1 << 40, 1 << 40) }
    await #expect(processExitsWith: .exitCode(70)) {
      MemoryLimit.bytes = 4000
      _ = Vector<Float>(zeros: 1001)
    }
    #expect(Vector<Float>(zeros: 0).count == 0)
  }
}
